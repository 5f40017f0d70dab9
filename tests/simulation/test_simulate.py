"""`alcli simulate`, as a script would use it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import pyarrow.parquet as pq
import pytest
import torch
from alcli import ledger, manifest, scoring, training
from alcli.errors import InputRejected
from alcli.main import app
from alcli.models import ModelRecord
from alcli.project import Project
from alcli.simulation import Method
from alcli.simulation import simulate as run
from alcli.simulation.experiment import Experiment, begin, ground
from alcli.training import loop
from alcli.training.checkpoints import Fitting
from alcli.training.loop import Regime, Task
from typer.testing import CliRunner, Result

from tests.conftest import Listener, draw
from tests.simulation import conftest
from tests.simulation.conftest import METHODS, QUICK, make_pool, simulate

SECONDS = ["train_seconds", "score_seconds", "select_seconds"]
ONE = ["--initial", "6", "--batch", "6", "--rounds", "1", "--epochs", "1", "--seeds", "1", "--workers", "1"]
Snapshot = Callable[[Path], dict[str, bytes]]


def rows(path: Path) -> list[dict[str, object]]:
    """The table without what no two runs share: seconds."""
    return pq.read_table(path).drop_columns(SECONDS).to_pylist()


def of(found: list[dict[str, object]], method: str, column: str, seed: int = 0) -> list[object]:
    return [row[column] for row in found if row["method"] == method and row["seed"] == seed]


def test_a_row_for_each_method_seed_and_round(table: tuple[Path, Result]) -> None:
    found = rows(table[0])
    assert [(row["method"], row["seed"], row["round"]) for row in found] == [
        *[(name, seed, r) for name in ("random", "margin", "triplet-margin+pseudo") for seed in (0, 1) for r in range(3)],
        ("all labels", 0, 0),
        ("all labels", 1, 0),
    ]  # fmt: skip
    assert of(found, "margin", "labels") == of(found, "random", "labels") == [6, 12, 18]
    assert of(found, "all labels", "labels") == [60]
    assert {row["error"] for row in found} == {None}


def test_people_are_not_asked_where_the_model_labels(table: tuple[Path, Result]) -> None:
    found = rows(table[0])
    assert of(found, "triplet-margin+pseudo", "labels") == [6, 6, 6]
    assert of(found, "triplet-margin+pseudo", "pseudo_labels") == [0, 6, 12]
    first, *later = of(found, "triplet-margin+pseudo", "pseudo_precision")
    assert first is None
    assert all(isinstance(share, float) and 0 <= share <= 1 for share in later)
    assert of(found, "margin", "pseudo_labels") == [0, 0, 0]


def test_all_methods_of_a_seed_begin_alike(table: tuple[Path, Result]) -> None:
    found = rows(table[0])
    for seed in (0, 1):
        firsts = {
            (row["accuracy"], row["macro_f1"], row["batch"])
            for row in found
            if row["seed"] == seed and row["round"] == 0 and row["method"] != "all labels"
        }
        assert len(firsts) == 1
    assert of(found, "random", "batch", 0)[0] != of(found, "random", "batch", 1)[0]
    assert of(found, "random", "batch")[1] != of(found, "margin", "batch")[1]


def test_the_figures_are_those_of_the_commands(
    table: tuple[Path, Result], labelled_pool: Path, tmp_path: Path
) -> None:
    """The same rounds by hand: commands on a state of their own, accuracy as `train` measures it."""
    project = Project.open(labelled_pool)
    experiment = Experiment(initial=6, batch=6, rounds=2)
    known = ground(project, manifest.read(project.manifest), experiment)
    state = tmp_path / "by-hand"
    state.mkdir()
    mine = Project.open(labelled_pool, state)
    with ledger.writing(mine, "init"):
        ledger.commit(mine, begin(known, experiment, 0), command="init")

    def command(*arguments: object) -> Result:
        done = CliRunner().invoke(app, [*map(str, arguments), "--state", str(state), str(labelled_pool)])
        assert done.exit_code == 0, done.output
        return done

    accuracies = []
    for number in range(3):
        trained = command("train", "--embedding", "none", "--epochs", 2, "--workers", 1, "--json")
        accuracies.append(json.loads(trained.stdout)["metrics"]["test_accuracy"])
        if number < 2:
            command("score", "--workers", 1)
            listing = tmp_path / "list.csv"
            command("select", "--strategy", "margin", "-k", 6, "-o", listing)
            answers = tmp_path / "answers.csv"
            with listing.open(newline="") as source, answers.open("w", newline="") as target:
                writer = csv.writer(target)
                writer.writerow(["file_name", "label"])
                writer.writerows(
                    [row["file_name"], Path(row["file_name"]).parent.name] for row in csv.DictReader(source)
                )
            command("import-labels", answers)
    assert of(rows(table[0]), "margin", "accuracy") == accuracies


def test_only_what_somebody_chooses_by_is_scored(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accuracy needs the test images; `random` needs no others, and after the last round nobody does."""
    scored: dict[str, list[int]] = {}
    score = scoring.score

    def watched(project: Project, *given: object, **how: object) -> scoring.ScoreReport:
        report = score(project, *given, **how)  # type: ignore[arg-type]
        scored.setdefault(project.state.parent.name.split("-")[0], []).append(report.scored)
        return report

    monkeypatch.setattr(scoring, "score", watched)
    how = ["--rounds", 2, "--lr", "0.0051", "--reference", "-m", "margin", "-o", tmp_path / "t.parquet"]
    assert simulate(*ONE, *how, labelled_pool).exit_code == 0
    assert scored == {"first": [78], "random": [18, 18], "margin": [78, 18], "all": [18]}


def test_after_the_last_round_only_accuracy_is_measured(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No triplet network, no dropout passes; and what is measured is what it is where rounds follow."""
    seen: list[tuple[str, str, int]] = []
    score = scoring.score

    def watched(project: Project, record: ModelRecord, **how: Any) -> scoring.ScoreReport:
        lane = project.state.parent.name.split("-")[0]
        seen.append((lane, record.about["embedding"], how["settings"].mc_samples))
        return score(project, record, **how)

    monkeypatch.setattr(scoring, "score", watched)
    methods = ["-m", "triplet-margin:order=uncertain", "-m", "bald", "--mc-samples", 3, "--lr", "0.0071"]
    tables = []
    for number in (1, 2):
        path = tmp_path / f"{number}.parquet"
        done = simulate(*ONE, "--rounds", number, *methods, "-o", path, labelled_pool)
        assert done.exit_code == 0, done.output
        tables.append([row for row in rows(path) if row["round"] in (0, 1)])
    assert seen[4:] == [
        ("first", "triplet", 3),
        ("random", "none", 0),
        ("random", "none", 0),
        ("triplet", "triplet", 0),
        ("triplet", "none", 0),
        ("bald", "none", 3),
        ("bald", "none", 0),
    ]
    assert tables[0] == tables[1]


def test_the_verdict_is_on_standard_output(table: tuple[Path, Result]) -> None:
    path, done = table
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Accuracy in %")
    assert any(line.startswith("margin differs from random by") for line in lines)
    assert "With 2 seeds no difference can be shown" in done.stdout
    assert str(path) in done.stderr
    assert str(path) not in done.stdout


def test_the_same_call_again_measures_nothing_anew(
    table: tuple[Path, Result], labelled_pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, first = table
    before = pq.read_table(path)
    monkeypatch.setattr(training, "train", _never)
    again = simulate(*METHODS, *QUICK, "--reference", "-o", path, labelled_pool)
    assert again.exit_code == 0, again.output
    assert again.stdout == first.stdout
    assert pq.read_table(path).equals(before)


def test_a_method_may_be_added(labelled_pool: Path, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    assert simulate(*ONE, "-m", "margin", "-o", path, labelled_pool).exit_code == 0
    before = rows(path)
    assert simulate(*ONE, "-m", "entropy", "--seeds", 2, "-o", path, labelled_pool).exit_code == 0
    after = rows(path)
    assert {row["method"] for row in after} == {"random", "entropy", "margin"}
    assert all(row in after for row in before)
    assert len(of(after, "entropy", "labels", 1)) == 2


def test_rounds_of_earlier_calls_are_no_progress_of_this_one(labelled_pool: Path, tmp_path: Path) -> None:
    project, path = Project.open(labelled_pool), tmp_path / "table.parquet"
    experiment = Experiment(initial=6, batch=6, rounds=2, training=training.Options(epochs=1, lr=0.0081))
    methods = [Method.parse(name) for name in ("random", "margin")]
    listener, stage = Listener(), "simulating"
    run(project, experiment, methods[:1], [0], output=path, workers=1)
    run(project, experiment, methods, [0], output=path, workers=1, progress=listener.progress)
    assert (listener.totals[stage], listener.earlier[stage]) == (6, 3)
    assert listener.complete(stage)


def test_json_and_pictures(labelled_pool: Path, tmp_path: Path) -> None:
    curves, bars = tmp_path / "curves.png", tmp_path / "bars.svg"
    done = simulate(
        *ONE, "-m", "margin", "--plot", curves, "--plot", f"labels={bars}", "--json", "-o", tmp_path / "t.parquet",
        labelled_pool,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["schema"] == "alcli/simulate/1"
    assert [method["name"] for method in told["verdict"]["methods"]] == ["random", "margin"]
    assert curves.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in bars.read_text()


def test_pictures_need_no_new_run(table: tuple[Path, Result], labelled_pool: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "precision.svg"
    done = simulate(
        *METHODS, *QUICK, "--reference", "--plot", f"precision={drawn}", "-o", table[0], labelled_pool
    )
    assert done.exit_code == 0, done.output
    assert "triplet-margin+pseudo" in drawn.read_text()


def test_the_verdict_comes_before_pictures_that_cannot_be_drawn(labelled_pool: Path, tmp_path: Path) -> None:
    """No model is that sure, which nobody could know."""
    path, picture = tmp_path / "t.parquet", tmp_path / "p.png"
    how = ["-m", "margin+confidence:threshold=1.0", "--plot", f"precision={picture}", "--json"]
    done = simulate(*ONE, *how, "-o", path, labelled_pool)
    assert done.exit_code == 5
    assert json.loads(done.stdout)["output"] == str(path)
    assert not picture.exists()


def test_pictures_of_what_the_table_has_already(
    table: tuple[Path, Result], labelled_pool: Path, tmp_path: Path
) -> None:
    drawn = [f"{kind}={tmp_path / kind}.png" for kind in ("precision", "labels")]
    done = simulate(*QUICK, "--plot", drawn[0], "--plot", drawn[1], "-o", table[0], labelled_pool)
    assert done.exit_code == 0, done.output
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_a_failed_seed_does_not_stop_the_others(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*ONE, "--seeds", 2, "-m", "margin"]
    whole = tmp_path / "whole.parquet"
    assert simulate(*arguments, "-o", whole, "--lr", "0.0011", labelled_pool).exit_code == 0
    train = training.train

    def fails(project: Project, options: training.Options, **how: object) -> object:
        if "margin" in str(project.state) and options.seed == 1:
            raise RuntimeError("the disk is on fire")
        return train(project, options, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "train", fails)
    path = tmp_path / "table.parquet"
    done = simulate(*arguments, "-o", path, labelled_pool)
    assert done.exit_code == 1
    assert "margin with seed 1 failed: RuntimeError: the disk is on fire" in done.stderr
    assert of(rows(path), "margin", "error", 1) == [None, "RuntimeError: the disk is on fire"]
    assert of(rows(path), "margin", "error", 0) == [None, None]
    assert of(rows(path), "random", "error", 1) == [None, None]
    monkeypatch.setattr(training, "train", train)
    again = simulate(*arguments, "-o", path, labelled_pool)
    assert again.exit_code == 0, again.output
    assert {row["error"] for row in rows(path)} == {None}
    assert len(rows(path)) == len(rows(whole))


def test_the_whole_pool_may_be_spent(labelled_pool: Path, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    how = ["--initial", 30, "--batch", 30, "-m", "deepfool+confidence:threshold=0.4"]
    done = simulate(*ONE, *how, "-o", path, labelled_pool)
    assert done.exit_code == 0, done.output
    assert of(rows(path), "deepfool+confidence:threshold=0.4", "labels") == [30, 60]
    assert of(rows(path), "deepfool+confidence:threshold=0.4", "pseudo_labels") == [0, 0]


def test_what_a_user_can_mend_fails_a_seed_in_words(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint too, unless it is about the state that a lane keeps for itself."""
    path = tmp_path / "table.parquet"
    hints = {"random": "--lr 0.0001", "margin": None}
    train = training.train

    def fails(project: Project, options: training.Options, **how: object) -> object:
        name = project.state.parent.name.split("-")[0]
        if name == "first":
            return train(project, options, **how)  # type: ignore[arg-type]
        raise InputRejected("the loss is no longer a number", hint=hints[name] or project.command("score"))

    monkeypatch.setattr(training, "train", fails)
    done = simulate(*ONE, "-m", "margin", "--lr", "0.0091", "-o", path, labelled_pool)
    assert done.exit_code == 1
    assert "random with seed 0 failed: the loss is no longer a number; hint: --lr 0.0001\n" in done.stderr
    assert of(rows(path), "margin", "error") == [None, "the loss is no longer a number"]


@pytest.mark.parametrize("stage", ["train", "score", "select", "import"])
def test_interrupted_anywhere_it_goes_on_to_the_same_table(
    stage: str, labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interruption after each kind of step of the second round; the kill itself is in test_kill.py."""
    lr = {"train": "0.0012", "score": "0.0013", "select": "0.0014", "import": "0.0015"}[stage]
    arguments = [*ONE, "-m", "margin+confidence:threshold=0.4", "--lr", lr]
    broken, whole = tmp_path / "broken.parquet", tmp_path / "whole.parquet"
    from alcli import labelling, selection

    owner, name = {
        "train": (training, "train"),
        "score": (scoring, "score"),
        "select": (selection, "select"),
        "import": (labelling, "import_labels"),
    }[stage]
    real, calls = getattr(owner, name), 0

    def once(*given: object, **how: object) -> object:
        nonlocal calls
        done = real(*given, **how)
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(owner, name, once)
    stopped = simulate(*arguments, "-o", broken, labelled_pool)
    assert stopped.exit_code == 130, stopped.output
    monkeypatch.setattr(owner, name, real)
    assert simulate(*arguments, "-o", broken, labelled_pool).exit_code == 0
    shutil.rmtree(labelled_pool / ".alcli" / "simulations" / simulations_of(labelled_pool, lr))
    assert simulate(*arguments, "-o", whole, labelled_pool).exit_code == 0
    assert rows(broken) == rows(whole)


def simulations_of(pool: Path, lr: str) -> str:
    """The folder of the simulation with this step size."""
    for path in (pool / ".alcli" / "simulations").glob("*/experiment.json"):
        if json.loads(path.read_text())["train_lr"] == float(lr):
            return path.parent.name
    raise LookupError(lr)


def test_what_is_finished_takes_no_disk(table: tuple[Path, Result], labelled_pool: Path) -> None:
    (folder,) = [
        path.parent
        for path in (labelled_pool / ".alcli" / "simulations").glob("*/experiment.json")
        if json.loads(path.read_text())["train_epochs"] == 2  # the others are of other tests
    ]
    assert not (folder / "album").exists()
    for lane in (folder / "lanes").iterdir():
        assert {path.name for path in lane.iterdir()} <= {"lines.jsonl", "lock"}


def test_the_pool_itself_is_left_alone(labelled_pool: Path, tmp_path: Path, snapshot: Snapshot) -> None:
    def unsimulated() -> dict[str, bytes]:
        return {name: data for name, data in snapshot(labelled_pool).items() if "simulations" not in name}

    before = unsimulated()
    assert simulate(*ONE, "-m", "margin", "-o", tmp_path / "t.parquet", labelled_pool).exit_code == 0
    assert unsimulated() == before


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["-m", "nonsense"], 2, "unknown strategy 'nonsense'"),
        (["-m", "margin++pseudo"], 2, "is not STRATEGY[:KEY=VALUE,…][+PART[:KEY=VALUE,…]]"),
        (["-m", "margin+nonsense"], 2, "unknown part 'nonsense'"),
        (["-m", "margin+ceal+confidence:k=1"], 2, "ceal and confidence both say what the model labels"),
        (["-m", "margin+co-teaching:noise-rate=2"], 2, "--noise-rate 2: a share in [0, 1)"),
        (["-m", "margin+bootstrap-hard:beta=2"], 2, "beta is '2'"),
        (["-m", "margin+refine"], 2, "--refine-pseudo needs --use-pseudo-labels"),
        (["-m", "vaal", "--freeze-backbone"], 2, "--method vaal: --freeze-backbone cannot go with"),
        (
            ["-m", "margin+ccl+triplet-margin:k=3", "--image-size", "28"],
            2,
            "needs triplet embeddings, which cannot be: no triplet network is trained",
        ),
        (["-m", "random+vaal", "-m", "ccl:candidates=3+confidence:threshold=2,k=1"], 2, "exactly one of -k"),
        (["--label-noise", "0.3"], 2, "--label-noise 0.3 is not a share from 0% to 100%"),
        (["--noise-model", "rad"], 2, "--noise-model rad needs --label-noise"),
        (["--label-noise", "30%", "--noise-model", "gaussian"], 2, "no such model, and no such file"),
        (["-m", "margin:nonsense=1"], 2, "nonsense"),
        (["-m", "margin:candidates=5"], 2, "5 candidates are fewer than the 6 images of a batch"),
        (["-m", "margin:candidates=few"], 2, "candidates is 'few'; it must be a whole number"),
        (["-m", "margin+pseudo:threshold=1"], 2, "pseudo has no option threshold"),
        (["-m", "margin+confidence"], 2, "exactly one of -k and --threshold"),
        (
            ["-m", "batchbald", "--batch", "51", "--initial", "1", "--rounds", "1"],
            2,
            "batchbald looks ahead up to k = 50",
        ),
        (["-m", "bald", "--dropout", "0"], 2, "needs mc probabilities, which cannot be"),
        (["-m", "triplet-margin", "--embedding", "none"], 2, "needs triplet embeddings, which cannot be"),
        (["-m", "deepfool+pseudo"], 2, "deepfool differentiates the network"),
        (["--rounds", "90"], 5, "the pool has 60"),
        (["--pool-size", "61"], 5, "the pool has 60 labelled images"),
        (["--initial", "0"], 2, "--initial 0: at least 1"),
        (["--test-fraction", "0.2"], 2, "the pool has one of 18 images"),
        (["--test-fraction", "1.5"], 2, "--test-fraction 1.5 is not a share"),
        (["--embedding", "nonsense"], 2, "unknown --embedding 'nonsense'"),
        (["--embedding", "joint", "--embedding-epochs", "3"], 2, "which --embedding joint does not train"),
        (["--initial", "1"], 5, "hint: --initial-per-class 1"),
        (["-m", "margin", "-m", "random+co-teaching"], 2, "random+co-teaching:noise_rate=0.3"),
        (
            ["--embedding", "joint", "-m", "random+co-teaching:noise-rate=0.1"],
            2,
            "--method random+co-teaching:noise-rate=0.1: --co-teaching cannot go with --embedding joint",
        ),
        (["--embedding", "joint", "-m", "random+mixup"], 2, "--mixup cannot go with --embedding joint"),
        (
            ["--embedding", "joint", "-m", "margin+ceal+refine"],
            2,
            "--refine-pseudo cannot go with --embedding",
        ),
        (
            ["--initial", "30", "--batch", "15", "--image-size", "28", "-m", "vaal"],
            5,
            "are 60 labels; the pool has 60, and vaal needs 2 that stay without a label",
        ),
        (["-m", "entropy", "-m", "margin:foo=1"], 2, "--method margin:foo=1: unknown option of margin 'foo'"),
        (
            ["-m", "margin:stochastic=power,beta=-1"],
            2,
            "--method margin:stochastic=power,beta=-1: ",
        ),
        (["-m", "margin", "--plot", "precision=p.png"], 2, "no method has a model that labels anything"),
        (
            ["-m", "random+pseudo", "--plot", "labels=l.png"],
            2,
            "no method beside random asks people for labels",
        ),
        (["-m", "margin", "--rounds", "0", "--plot", "labels=l.png"], 2, "draws what rounds add"),
        (["-m", "margin+ceal", "--rounds", "0", "--plot", "precision=p.png"], 2, "draws what rounds add"),
        (["-m", "auto:k=1"], 2, "auto settles its own options"),
        (["--model", "nonsense"], 2, "nonsense"),
        (["--plot", "curves.doc"], 2, "curves.doc"),
        (["--plot", "pie=curves.png"], 2, "unknown picture 'pie'"),
        (["--metric", "luck"], 2, "no such metric"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    arguments: list[str],
    code: int,
    told: str,
    labelled_pool: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "train", _never)
    done = simulate(*QUICK, *arguments, "-o", tmp_path / "t.parquet", labelled_pool)
    assert done.exit_code == code, done.output
    assert told in done.stderr
    assert not (tmp_path / "t.parquet").exists()


def test_a_table_of_another_experiment_is_not_overwritten(
    table: tuple[Path, Result], labelled_pool: Path
) -> None:
    before = table[0].read_bytes()
    done = simulate(*METHODS, *QUICK, "--batch", 5, "-o", table[0], labelled_pool)
    assert done.exit_code == 2
    assert "holds another experiment: batch differs" in done.stderr
    assert table[0].read_bytes() == before


def test_nor_is_one_that_another_version_began(
    table: tuple[Path, Result], labelled_pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alcli.simulation.experiment.__version__", "99.0")
    done = simulate(*METHODS, *QUICK, "-o", table[0], labelled_pool)
    assert done.exit_code == 2
    assert "holds another experiment: alcli_version differs" in done.stderr


def test_a_file_that_is_no_table_is_not_overwritten(labelled_pool: Path, tmp_path: Path) -> None:
    path = tmp_path / "thesis.parquet"
    path.write_bytes(b"years of work")
    done = simulate(*ONE, "-o", path, labelled_pool)
    assert done.exit_code == 2
    assert path.read_bytes() == b"years of work"


def test_a_pool_of_one_class_is_refused(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    for index in range(6):
        draw(pool / "train" / "dark" / f"{index}.png", shade=60, seed=index)
    for name in ("dark", "bright"):
        draw(pool / "test" / name / "t.png", shade=60)
    assert CliRunner().invoke(app, ["init", "-q", "--val-fraction", "0", str(pool)]).exit_code == 0
    done = simulate(*ONE, "--initial", 2, "--batch", 1, pool)
    assert done.exit_code == 5
    assert "all 6 labelled images of the pool are of one class, 'dark'" in done.stderr
    assert f"hint: alcli init --labels FILE {pool}" in done.stderr


def test_without_labels_there_is_nothing_to_simulate(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    for index in range(4):
        draw(pool / "unlabelled" / f"{index}.png", shade=100, seed=index)
    assert CliRunner().invoke(app, ["init", "-q", str(pool)]).exit_code == 0
    done = simulate(*ONE, pool)
    assert done.exit_code == 5
    assert "no image of" in done.stderr


def test_before_init_it_says_what_to_do(tmp_path: Path) -> None:
    done = simulate(*ONE, tmp_path)
    assert done.exit_code == 3
    assert "alcli init" in done.stderr


def test_a_test_split_is_needed_or_drawn(tmp_path: Path) -> None:
    pool = make_pool(tmp_path / "pool", test=0)
    refused = simulate(*ONE, pool)
    assert refused.exit_code == 3
    assert "--test-fraction 0.2" in refused.stderr
    path = tmp_path / "t.parquet"
    done = simulate(*ONE, "--test-fraction", "0.2", "--reference", "-o", path, pool)
    assert done.exit_code == 0, done.output
    assert of(rows(path), "all labels", "labels") == [48]


def test_broken_images_and_images_without_label_are_left_out(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    (pool / "train" / "bright").mkdir(parents=True)
    (pool / "train" / "bright" / "broken.png").write_bytes(b"no image")
    draw(pool / "train" / "unlabelled" / "who-knows.png", shade=99)
    make_pool(pool)
    path = tmp_path / "t.parquet"
    done = simulate(*ONE, "--reference", "-o", path, pool)
    assert done.exit_code == 0, done.output
    assert of(rows(path), "all labels", "labels") == [60]
    assert "1 images cannot be decoded and are left out" in done.stderr


def test_two_of_the_same_at_once_are_refused(labelled_pool: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    arguments = [*ONE, "--lr", "0.0021", "-o", path, labelled_pool]
    assert simulate(*arguments).exit_code == 0
    folder = labelled_pool / ".alcli" / "simulations" / simulations_of(labelled_pool, "0.0021")
    with filelock.FileLock(folder / "lock"):
        done = simulate(*arguments)
    assert done.exit_code == 6


def test_a_dry_run_writes_nothing(labelled_pool: Path, tmp_path: Path, snapshot: Snapshot) -> None:
    before = snapshot(labelled_pool)
    done = simulate(*ONE, "-m", "margin", "--lr", "0.0031", "--dry-run", labelled_pool)
    assert done.exit_code == 0, done.output
    assert "would run 2 methods with 1 seeds" in done.stderr
    assert snapshot(labelled_pool) == before


def test_warm_start_and_joint_embedding(labelled_pool: Path, tmp_path: Path) -> None:
    """With steps of next to no size a warm start stays where it began."""
    path = tmp_path / "t.parquet"
    how = ["--warm-start", "--embedding", "joint", "--lr", "1e-12", "-m", "triplet-margin:order=uncertain"]
    done = simulate(*ONE, *how, "-o", path, labelled_pool)
    assert done.exit_code == 0, done.output
    for method in ("random", "triplet-margin:order=uncertain"):
        first, second = of(rows(path), method, "accuracy")
        assert first == second


def test_the_triplet_network_may_have_epochs_of_its_own(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: set[tuple[str, int]] = set()

    def fit(task: Task, regime: Regime, *rest: object) -> Fitting:
        trained.add((task.name, regime.epochs))
        return loop.fit(task, regime, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("alcli.training.run.fit", fit)
    methods = ("-m", "triplet-margin:order=uncertain", "-m", "random+ccl:pretrain-epochs=1")
    how = ("--embedding-epochs", 3, "--image-size", 28)  # what ccl needs at least
    done = simulate(*ONE, *methods, *how, "-o", tmp_path / "t.parquet", labelled_pool)
    assert done.exit_code == 0, done.output
    assert {epochs for name, epochs in trained if name == "embedder"} == {3}
    assert {epochs for name, epochs in trained if name == "classifier"} == {1}
    assert "ccl" in {name for name, _ in trained}


def test_nothing_runs_on_after_a_kill(labelled_pool: Path, tmp_path: Path) -> None:
    """The processes hold the standard output that they inherited: it ends with the last of them."""
    arguments = [*ONE, "--epochs", 100_000, "--jobs", 2, "--seeds", 2, "--lr", "0.0061", labelled_pool]
    call = [sys.executable, "-m", "alcli", "simulate", *map(str, arguments)]
    begun = "*/lanes/first-labels-*/state/metadata.parquet"
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as simulation:
        while len(list((labelled_pool / ".alcli" / "simulations").glob(begun))) < 2:
            assert simulation.poll() is None
            time.sleep(0.1)
        simulation.kill()
        assert simulation.communicate(timeout=20)[0] == b""


def test_a_process_that_is_killed_fails_one_lane_and_the_others_go_on(
    labelled_pool: Path, tmp_path: Path
) -> None:
    """As the system does for want of memory: the lane whose process dies again and again is the one at fault."""
    path = tmp_path / "t.parquet"
    arguments = [
        *ONE,
        "-m",
        "margin",
        "-m",
        "entropy",
        "--jobs",
        2,
        "--lr",
        "0.0067",
        "-o",
        path,
        labelled_pool,
    ]
    fatal = (
        "import os, sys\n"
        "from alcli import training\n"
        "train = training.train\n"
        "def dies(project, *given, **how):\n"
        "    if 'margin' in str(project.state):\n"
        "        os._exit(9)\n"
        "    return train(project, *given, **how)\n"
        "training.train = dies\n"
        "if __name__ == '__main__':\n"
        "    from alcli.main import app\n"
        "    sys.argv[0] = 'alcli'\n"
        "    app()\n"
    )
    script = tmp_path / "fatal.py"  # spawned processes import it, too
    script.write_text(fatal, encoding="utf-8")
    call = [sys.executable, str(script), "simulate", *map(str, arguments)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1, done.stderr
    assert "margin with seed 0 failed: a process of the simulation was killed" in done.stderr
    found = rows(path)
    assert of(found, "entropy", "error") == of(found, "random", "error") == [None, None]
    assert [row["method"] for row in found if row["error"]] == ["margin"]


def test_a_lane_in_progress_outlives_first_labels_that_fail(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method that is added asks more of the first labels; what was measured without it must not be lost."""
    path, whole = tmp_path / "t.parquet", tmp_path / "whole.parquet"
    arguments = [*ONE, "--rounds", 2, "-m", "margin"]
    train, calls = training.train, 0

    def stops(project: Project, options: training.Options, **how: object) -> object:
        nonlocal calls
        calls += "margin" in str(project.state)
        if calls == 2:
            raise KeyboardInterrupt
        return train(project, options, **how)  # type: ignore[arg-type]

    def fails(project: Project, options: training.Options, **how: object) -> object:
        if "first-labels" in str(project.state):
            raise RuntimeError("out of memory")
        return train(project, options, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "train", stops)
    assert simulate(*arguments, "--lr", "0.0068", "-o", path, labelled_pool).exit_code == 130
    monkeypatch.setattr(training, "train", fails)
    more = [*arguments, "-m", "triplet-margin", "--lr", "0.0068", "-o", path, labelled_pool]
    assert simulate(*more).exit_code == 1
    monkeypatch.setattr(training, "train", train)
    assert simulate(*more).exit_code == 0
    shutil.rmtree(labelled_pool / ".alcli" / "simulations" / simulations_of(labelled_pool, "0.0068"))
    assert simulate(*arguments, "--lr", "0.0068", "-o", whole, labelled_pool).exit_code == 0
    for column in ("labels", "accuracy", "batch"):
        assert of(rows(path), "margin", column) == of(rows(whole), "margin", column)


def test_noise_that_depends_on_the_round_is_the_same_after_an_interruption(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alcli import labelling

    arguments = [*ONE, "--rounds", 3, "--batch", 10, "--label-noise", "50%", "--noise-model", "rad"]
    broken, whole = tmp_path / "broken.parquet", tmp_path / "whole.parquet"
    take_in, calls = labelling.import_labels, 0

    def stops(*given: object, **how: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return take_in(*given, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(labelling, "import_labels", stops)
    assert simulate(*arguments, "--lr", "0.0069", "-o", broken, labelled_pool).exit_code == 130
    monkeypatch.setattr(labelling, "import_labels", take_in)
    assert simulate(*arguments, "--lr", "0.0069", "-o", broken, labelled_pool).exit_code == 0
    shutil.rmtree(labelled_pool / ".alcli" / "simulations" / simulations_of(labelled_pool, "0.0069"))
    assert simulate(*arguments, "--lr", "0.0069", "-o", whole, labelled_pool).exit_code == 0
    for column in ("labels", "label_noise", "accuracy", "batch"):
        assert of(rows(broken), "random", column) == of(rows(whole), "random", column)


def test_a_finished_lane_takes_no_disk_while_others_run(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, states = training.train, []

    def watched(project: Project, options: training.Options, **how: object) -> object:
        states.append(sorted(path.parent.name for path in project.state.parent.parent.glob("*/state")))
        return train(project, options, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "train", watched)
    arguments = [*ONE, "-m", "margin", "-m", "entropy", "--lr", "0.0083", "-o", tmp_path / "t.parquet"]
    assert simulate(*arguments, labelled_pool).exit_code == 0
    methods = [[name for name in names if not name.startswith("first-labels")] for names in states]
    assert [len(names) for names in methods] == [0, 1, 1, 1]


def test_seeds_that_failed_count_for_more_than_pictures_that_cannot_be_drawn(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(project: Project, options: training.Options, **how: object) -> object:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(training, "train", fails)
    pictures = ["--plot", f"curves={tmp_path / 'c.png'}", "--plot", f"labels={tmp_path / 'l.png'}"]
    done = simulate(
        *ONE, "-m", "margin", "--lr", "0.0073", *pictures, "-o", tmp_path / "t.parquet", labelled_pool
    )
    assert done.exit_code == 1
    assert done.stderr.count("is not drawn") == 2


def test_a_class_whose_name_looks_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers pass through a CSV file, where a quote before `=` keeps a spreadsheet from running the cell."""
    monkeypatch.setattr(conftest, "SHADES", {"'=x": 60, "=x": 125, "bright": 190})
    pool, path = make_pool(tmp_path / "pool"), tmp_path / "t.parquet"
    done = simulate(*ONE, "--batch", 30, "-m", "random", "-o", path, pool)
    assert done.exit_code == 0, done.output
    assert of(rows(path), "random", "labels") == [6, 36]
    assert of(rows(path), "random", "label_noise") == [0, 0]


def test_several_at_once_give_the_same_table(labelled_pool: Path, tmp_path: Path) -> None:
    """Two processes share the cores, so here as many threads as each has: sums of floats depend on that."""
    path, other = tmp_path / "t.parquet", tmp_path / "one-by-one.parquet"
    arguments = [*ONE, "--seeds", 2, "-m", "margin", "-m", "badge", "--lr", "0.0041"]
    done = simulate(*arguments, "--jobs", 2, "-o", path, labelled_pool)
    assert done.exit_code == 0, done.output
    shutil.rmtree(labelled_pool / ".alcli" / "simulations" / simulations_of(labelled_pool, "0.0041"))
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // 2))
    try:
        assert simulate(*arguments, "-o", other, labelled_pool).exit_code == 0
    finally:
        torch.set_num_threads(threads)
    assert len(rows(path)) == 12
    assert rows(path) == rows(other)


def _never(*given: object, **how: object) -> object:
    raise AssertionError("nothing should be trained")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["-m", "margin"], "with 5 seeds no difference can be shown real between 2 methods; 6 can (--seeds 6)"),
        (
            ["-m", "margin", "-m", "badge", "--seeds", "1"],
            "with 1 seed no difference can be shown real between 3 methods; 7 can (--seeds 7)",
        ),
        (["-m", "margin", "--seeds", "6"], None),
        (["-m", "margin", "-m", "badge", "-m", "entropy", "--seeds", "7"], None),  # README: three need 7
        (["-m", "random+mixup", "-m", "margin+mixup", "-m", "margin", "--seeds", "6"],
            "with 6 seeds no difference can be shown real between 4 methods; 7 can (--seeds 7)"),
        ([], None),  # nothing is compared
    ],
)  # fmt: skip
def test_too_few_seeds_are_told_before_anything_runs(
    labelled_pool: Path, given: list[str], told: str | None
) -> None:
    """By hand: the smallest p of S seeds is 2 / 2^S, and Holm multiplies it by the methods beside their baseline."""
    few = ["--initial", "6", "--batch", "6", "--rounds", "1", "--epochs", "1"]
    done = simulate(*few, *given, "--dry-run", labelled_pool)
    assert done.exit_code == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert warnings == ([f"warning: {told}"] if told else [])


def test_seeds_of_the_table_count(labelled_pool: Path, tmp_path: Path) -> None:
    """Seed 0 is there, six more are to be added: seven are enough for three methods."""
    path = tmp_path / "table.parquet"
    methods = ["-m", "margin", "-m", "entropy"]
    done = simulate(*ONE, *methods, "-o", path, labelled_pool)
    assert done.stderr.count("no difference can be shown real") == 1
    more = [*ONE, "--seed", "1", "--seeds", "6", "-m", "margin", "-o", path, "--dry-run", labelled_pool]
    assert "no difference" not in simulate(*more).stderr
    del more[more.index("--seed") : more.index("--seed") + 2]
    assert "with 6 seeds no difference can be shown real between 3 methods" in simulate(*more).stderr


def test_the_hint_for_a_missing_test_split_names_the_pool(tmp_path: Path) -> None:
    pool = make_pool(tmp_path / "a pool", test=0)
    done = simulate(*ONE, pool)
    assert done.exit_code == 3
    assert f"hint: --test-fraction 0.2, or alcli init --test DIR '{pool}'\n" in done.stderr
