"""Simulations with wrong labels, with CEAL, and with other ways of training."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from alcli import labelling, models, pseudolabelling, training
from alcli import manifest as manifests
from alcli.project import Project
from alcli.simulation.experiment import Experiment, ground
from alcli.simulation.noise import Noise

from tests.simulation.conftest import METHODS, QUICK, simulate
from tests.simulation.test_simulate import ONE, of, rows


def test_ceal_follows_its_schedule_and_begins_anew_in_every_round(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """δ is 1.0, .5 and 0: the third round is trained on what people said alone."""
    real, steps = pseudolabelling.pseudolabel, []

    def watched(*given: object, **how: object) -> pseudolabelling.PseudolabelReport:
        report = real(*given, **how)  # type: ignore[arg-type]
        steps.append(report.step)
        return report

    monkeypatch.setattr(pseudolabelling, "pseudolabel", watched)
    name, path = "entropy+ceal:threshold=1.0,rate=0.5", tmp_path / "t.parquet"
    quick = ["--rounds", 3, "--epochs", 8, "--lr", 0.003, "--batch-size", 4]
    done = simulate(*ONE, *quick, "-m", name, "-o", path, labelled_pool)
    assert done.exit_code == 0, done.output
    assert [(step.t, step.delta, step.ended) for step in steps if step] == [
        (0, 1.0, None),
        (1, 0.5, None),
        (2, 0.0, 2),
    ]
    first, second, _, last = of(rows(path), name, "pseudo_labels")
    assert (first, last) == (0, 0)
    assert second
    assert of(rows(path), name, "labels") == [6, 12, 18, 24]


@pytest.mark.parametrize(
    "model",
    [["--label-noise", "40%"], ["--label-noise", "40%", "--noise-model", "rad"]],
    ids=["uniform", "rad"],
)
def test_every_method_meets_the_same_mistakes(
    model: list[str], labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, told = labelling.import_labels, {}

    def watched(project: Project, path: Path, **how: object) -> labelling.ImportReport:
        with path.open(newline="") as file:
            rows_ = list(csv.reader(file))[1:]
        told[project.state.parent.name.split("-")[0]] = dict(rows_)
        return real(project, path, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(labelling, "import_labels", watched)
    path = tmp_path / "t.parquet"
    how = ["--batch", 40, *model, "-m", "margin", "-o", path, labelled_pool]
    done = simulate(*ONE, *how)
    assert done.exit_code == 0, done.output
    project = Project.open(labelled_pool)
    known = ground(project, manifests.read(project.manifest), Experiment())
    truth = dict(zip(known.strings("alcli_id"), known.strings("label"), strict=True))
    common = told["random"].keys() & told["margin"].keys()
    assert len(common) >= 25
    if model[-1] == "40%":
        noise = Noise("uniform", 0.4)
        at = {name: row for row, name in enumerate(known.strings("alcli_id"))}
        for answers in told.values():
            some = np.array([at[name] for name in answers])
            codes = noise.answers(known.label_codes[some], known.keys[some], classes=3, seed=0, batch=9)
            assert [known.classes[code] for code in codes] == list(answers.values())
    else:  # who is wrong depends on the batch, with which class does not
        wrong = [name for name in common if truth[name] not in (told["random"][name], told["margin"][name])]
        assert wrong
        assert all(told["random"][name] == told["margin"][name] for name in wrong)
    shares = of(rows(path), "random", "label_noise"), of(rows(path), "margin", "label_noise")
    assert shares[0][0] == shares[1][0]
    for name, (first, last) in zip(("random", "margin"), shares, strict=True):
        bad = sum(answer != truth[image] for image, answer in told[name].items())
        assert last == pytest.approx((6 * float(str(first)) + bad) / 46)
    assert "Labels are wrong on purpose: " in done.stdout


def test_all_labels_wrong_and_the_test_labels_right(labelled_pool: Path, tmp_path: Path) -> None:
    """Learning a permutation perfectly is being wrong always."""
    path, matrix = tmp_path / "t.parquet", tmp_path / "m.csv"
    matrix.write_text("true,middle,dark,bright\nbright,1,0,0\ndark,0,0,5\nmiddle,0,2,0\n")
    quick = ["--initial", 30, "--epochs", 12, "--lr", 0.005, "--batch-size", 4, "--reference"]
    done = simulate(*ONE, *quick, "--noise-model", matrix, "-o", path, labelled_pool)
    assert done.exit_code == 0, done.output
    assert of(rows(path), "random", "label_noise") == [1.0, 1.0]
    assert of(rows(path), "all labels", "label_noise") == [1.0]
    assert float(str(of(rows(path), "all labels", "accuracy")[0])) < 0.1
    assert "Labels are wrong on purpose: 100.0 %" in done.stdout


def test_no_noise_is_the_experiment_without(
    table: tuple[Path, object], labelled_pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*given: object, **how: object) -> object:
        raise AssertionError("nothing should be trained")

    monkeypatch.setattr(training, "train", never)
    before = pq.read_table(table[0])
    arguments = [*METHODS, *QUICK, "--reference", "-o", table[0], labelled_pool]
    assert simulate("--label-noise", "0%", *arguments).exit_code == 0
    assert pq.read_table(table[0]).equals(before)
    other = simulate("--label-noise", "10%", *arguments)
    assert other.exit_code == 2
    assert "holds another experiment: noise differs" in other.stderr


def test_a_matrix_of_other_classes_is_refused(labelled_pool: Path, tmp_path: Path) -> None:
    matrix = tmp_path / "m.csv"
    matrix.write_text("true,bright,dark\nbright,1,0\ndark,0,1\n")
    done = simulate(*ONE, "--noise-model", matrix, "-o", tmp_path / "t.parquet", labelled_pool)
    assert done.exit_code == 5
    assert "in its columns, missing: 'middle'" in done.stderr
    assert not (tmp_path / "t.parquet").exists()


def test_training_parts_hold_for_every_model_of_a_method(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = training.train, {}

    def watched(project: Project, options: training.Options, **how: object) -> object:
        seen.setdefault(project.state.parent.name.rsplit("-", 2)[0], []).append(options)
        return real(project, options, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "train", watched)
    hard, both = "random+bootstrap-hard:beta=0.7", "margin+bootstrap-hard:beta=0.7+confidence:k=3"
    path = tmp_path / "t.parquet"
    done = simulate(
        *ONE,
        "--lr",
        "0.0061",
        "-m",
        hard,
        "-m",
        both,
        "-m",
        "random+co-teaching:noise-rate=0.2",
        "-o",
        path,
        labelled_pool,
    )
    assert done.exit_code == 0, done.output
    losses = {name: [one.loss for one in options] for name, options in seen.items()}
    firsts = [one for name, options in seen.items() if name.startswith("first-labels") for one in options]
    assert sorted((one.loss, one.co_teaching) for one in firsts) == [  # one for each way of training
        ("bootstrap-hard", False),
        ("cross-entropy", False),
        ("cross-entropy", True),
    ]
    assert losses["random"] == ["cross-entropy"]
    assert losses["random-bootstrap-hard-beta-0-7"] == ["bootstrap-hard"]
    assert losses["margin-bootstrap-hard-beta-0-7-confidenc"] == ["bootstrap-hard"]
    assert seen["random-co-teaching-noise-rate-0-2"][0].noise_rate == "0.2"
    found = rows(path)
    assert of(found, hard, "batch") == of(found, "random", "batch")
    assert of(found, hard, "accuracy")[0] == of(found, both, "accuracy")[0]


@pytest.mark.parametrize("objective", ["ccl", "vaal"])
def test_a_strategy_of_an_objective_brings_it_along(
    objective: str, labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = training.train, set()

    def watched(project: Project, options: training.Options, **how: object) -> object:
        seen.add((project.state.parent.name.split("-")[0], options.objective))
        return real(project, options, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "train", watched)
    path = tmp_path / "t.parquet"
    given = {"ccl": "ccl:pretrain-epochs=1", "vaal": "vaal:z=4,vae-width=4,vae-epochs=2"}[objective]
    done = simulate(*ONE, "--image-size", 28, "-m", given, "-o", path, labelled_pool)
    assert done.exit_code == 0, done.output
    assert (objective, objective) in seen
    assert of(rows(path), given, "labels") == [6, 12]
    first = of(rows(path), given, "batch")[0]
    assert first == of(rows(path), "random", "batch")[0]


def test_after_the_last_round_vaal_spends_no_time_on_what_nobody_chooses_by(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One epoch is the least there is; and what is measured is what it is where a round follows."""
    real, seen = training.train, []

    def watched(project: Project, options: training.Options, **how: object) -> object:
        report = real(project, options, **how)  # type: ignore[arg-type]
        if options.objective == "vaal":
            seen.append(models.newest(project).about["metrics"]["vaal_epochs"])
        return report

    monkeypatch.setattr(training, "train", watched)
    name, tables = "vaal:z=4,vae-width=4,vae-epochs=3", []
    for number in (1, 2):
        path = tmp_path / f"{number}.parquet"
        how = ["--rounds", number, "--lr", "0.0067", "--image-size", 28, "-m", name, "-o", path]
        done = simulate(*ONE, *how, labelled_pool)
        assert done.exit_code == 0, done.output
        tables.append([row for row in rows(path) if row["round"] in (0, 1)])
    assert seen == [3, 1, 3, 3, 1]
    assert tables[0] == tables[1]


CHECKS = ["random+confident-learning", "random+rad", "margin+rad-voting"]


def test_a_check_judges_every_delivery(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was bought is counted, and what is learned from is told: by hand, from what each import left."""
    real, steps = labelling.import_labels, {}

    def watched(project: Project, path: Path, **how: object) -> labelling.ImportReport:
        done = real(project, path, **how)  # type: ignore[arg-type]
        now = manifests.read(project.manifest)
        bought = now.labelled & now.equals("split", "train")
        wrong = [
            label != name.split("/")[1]
            for name, label in zip(
                now.strings("file_name", bought.nonzero()[0]),
                now.strings("label", bought.nonzero()[0]),
                strict=True,
            )
        ]
        pseudo = [
            name.split("/")[1] == guess
            for name, guess in zip(now.strings("file_name"), now.strings("pseudo_label"), strict=True)
            if guess
        ]
        name = project.state.parent.name.rsplit("-", 2)[0]
        steps.setdefault(name, []).append((done, len(wrong), np.mean(wrong), pseudo))
        return done

    monkeypatch.setattr(labelling, "import_labels", watched)
    path = tmp_path / "t.parquet"
    quick = ["--initial", 15, "--batch", 15, "--rounds", 2, "--epochs", 10, "--lr", 0.005, "--batch-size", 4]
    methods = [part for name in CHECKS for part in ("-m", name)]
    done = simulate(*ONE, *quick, "--label-noise", "30%", *methods, "-o", path, labelled_pool)
    assert done.exit_code == 0, done.output
    found = rows(path)
    for name in ("random", *CHECKS):
        assert of(found, name, "labels") == [15, 30, 45]
        mine = steps[name.replace("+", "-")]
        qualities = [step[0].quality for step in mine]
        assert all(quality is None for quality in qualities) == (name == "random")
        left_out = [quality.left_out if quality else 0 for quality in qualities]
        assert of(found, name, "withheld") == [0, left_out[0], sum(left_out)]
        assert [step[1] for step in mine] == [30 - left_out[0], 45 - sum(left_out)]
        assert of(found, name, "label_noise")[1:] == [pytest.approx(step[2]) for step in mine]
        assert of(found, name, "pseudo_labels")[1:] == [len(step[3]) for step in mine]
        shares = [np.mean(step[3]) if step[3] else None for step in mine]
        assert of(found, name, "pseudo_precision")[1:] == shares
        if name != "random":
            assert sum(left_out) > 2
            assert f"{name}: the check left out {100 * sum(left_out) / 45:.1f} % of the" in done.stdout
    assert of(found, "margin+rad-voting", "pseudo_labels")[2]
    assert {of(found, name, "accuracy")[0] for name in CHECKS} == {of(found, "random", "accuracy")[0]}


def test_what_nobody_can_judge_is_taken_as_it_is(labelled_pool: Path, tmp_path: Path) -> None:
    """One label of each of three classes and one more: two classes have a single one."""
    path = tmp_path / "t.parquet"
    quick = ["--initial-per-class", 1, "--batch", 1]
    done = simulate(*ONE, *quick, "-m", "random+rad", "-o", path, labelled_pool)
    assert done.exit_code == 0, done.output
    assert of(rows(path), "random+rad", "labels") == [3, 4]
    assert of(rows(path), "random+rad", "withheld") == [0, 0]


def test_a_warm_start_of_one_method_alone(
    labelled_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = training.train, []

    def watched(project: Project, options: training.Options, **how: object) -> object:
        seen.append((project.state.parent.name.rsplit("-", 2)[0], options.warm_start))
        return real(project, options, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "train", watched)
    path, name = tmp_path / "t.parquet", "random+warm-start"
    done = simulate(*ONE, "--lr", "0.0071", "-m", name, "-o", path, labelled_pool)
    assert done.exit_code == 0, done.output
    assert sorted(seen[1:]) == [("random", False), ("random-warm-start", True)]
    assert seen[0][1] is False  # the first labels, which both share
    assert of(rows(path), name, "accuracy")[0] == of(rows(path), "random", "accuracy")[0]
    assert of(rows(path), name, "batch") == of(rows(path), "random", "batch")


def test_without_rounds_ways_to_train_are_compared_on_the_first_labels(
    labelled_pool: Path, tmp_path: Path
) -> None:
    """A loss that believes nobody but the model learns less than one that believes the labels."""
    path, name = tmp_path / "t.parquet", "random+bootstrap-hard:beta=0"
    how = ["--rounds", 0, "--initial", 40, "--seeds", 2, "--epochs", 8, "--lr", 0.001, "--json"]
    done = simulate(*ONE, *how, "-m", name, "-m", "margin", "-o", path, labelled_pool)
    assert done.exit_code == 0, done.output
    found = rows(path)
    _, loss, margin = json.loads(done.stdout)["verdict"]["methods"]
    differences = [
        of(found, name, "accuracy", seed)[0] - of(found, "random", "accuracy", seed)[0]  # type: ignore[operator]
        for seed in (0, 1)
    ]
    assert sum(differences) < 0
    assert loss["comparison"]["area"]["by_seed"] == pytest.approx(differences)
    assert margin["words"] == "margin is not compared: there is no round after the initial labels to compare."
