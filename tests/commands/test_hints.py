"""Hints are the command as it was given with what would help: pasted, they lose nothing that was asked for."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from alcli import ledger
from alcli import manifest as manifests
from alcli.main import app
from alcli.manifest import Manifest
from alcli.project import Project
from typer.testing import CliRunner, Result

from tests.digit_pools import Digits, N

Build = Callable[..., Digits]
Snapshot = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    """Ten images `00.jpg` … `09.jpg`; a person said that `09.jpg` is a cat."""
    (tmp_path / "a pool").mkdir()
    columns = {
        "file_name": [f"{row:02d}.jpg" for row in range(10)],
        "label": [None] * 9 + ["cat"],
        "size": [1] * 10,
        "mtime_ns": [1] * 10,
    }
    project = Project.open(tmp_path / "a pool")
    with ledger.writing(project, "init"):
        ledger.commit(project, Manifest.build(columns, ["cat", "dog"]), command="init")
    return project


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def labels_file(pool: Project, rows: str, *, encoding: str = "utf-8") -> Path:
    path = pool.pool.parent / "labels.csv"
    path.write_text(f"file_name,label,annotator,labelled_at\n{rows}", encoding=encoding)
    return path


def hinted(result: Result) -> list[list[str]]:
    """Return the words of each command that the hints of a refusal hold."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("hint: ")]
    return [shlex.split(line[line.index("alcli ") :])[1:] for line in lines if "alcli " in line]


def options(words: Sequence[str]) -> set[str]:
    return {word for word in words if word.startswith("-")}


def label_of(pool: Project, name: str) -> str | None:
    manifest = manifests.read(pool.manifest)
    return dict(zip(manifest.strings("file_name"), manifest.strings("label"), strict=True))[name]


def test_a_pasted_hint_keeps_the_quality_gate(digits: Build, snapshot: Snapshot) -> None:
    """A delivery with answers at random and an unknown class stays out, whatever is pasted."""
    sent = digits(0.0, labelled=range(120))
    sent.learned(np.arange(120))
    drawn = np.random.default_rng(0).integers(0, 10, N)
    names = ["odd", "odd", *(f"class-{code}" for code in drawn[122:])]
    path = sent.project.pool.parent / "delivery.csv"
    rows = "".join(f"img-{row:04d}.jpg,{name}\n" for row, name in enumerate(names, start=120))
    path.write_text(f"file_name,label\n{rows}")
    before = snapshot(sent.project.state)
    refused = run("import-labels", path, sent.project.pool, "--check", "rad", "--max-error", "5%")
    (words,) = hinted(refused)
    assert options(words) == {"--check=rad", "--max-error=5%", "--new-classes"}
    again = run(*words)
    assert again.exit_code == 5
    assert "more than --max-error 5%; nothing was imported" in again.stderr
    assert snapshot(sent.project.state) == before


def test_the_encoding_stays(pool: Project) -> None:
    path = labels_file(pool, "00.jpg,käfer,,\n", encoding="cp1252")
    (words,) = hinted(run("import-labels", path, pool.pool, "--encoding", "cp1252"))
    assert run(*words).exit_code == 0
    assert label_of(pool, "00.jpg") == "käfer"


def test_every_option_stays_however_it_was_given(pool: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    path = labels_file(pool, "00.jpg,bird,,\n")
    monkeypatch.setenv("ALCLI_IMPORT_LABELS_ANNOTATOR", "our vendor")
    given = ["--strip-prefix", "a/", "--strip-prefix", "b/=c/", "-n", "-q", "--match", "basename"]
    (words,) = hinted(run("import-labels", *given, path, "--state", pool.pool, pool.pool))
    assert options(words) == {
        "--strip-prefix=a/",
        "--strip-prefix=b/=c/",
        "--dry-run",
        "--quiet",
        "--match=basename",
        "--annotator=our vendor",
        f"--state={pool.pool}",
        "--new-classes",
    }
    assert words[-2:] == [str(path), str(pool.pool)]


def test_what_a_file_of_settings_says_is_not_repeated(pool: Project) -> None:
    path = labels_file(pool, "00.jpg,bird,,\n")
    pool.config.write_text("[import-labels]\nannotator = 'vendor'\n")
    (words,) = hinted(run("import-labels", path, pool.pool))
    assert options(words) == {"--new-classes"}


def test_conflicting_answers_have_two_ways_out_and_each_says_what_it_does(pool: Project) -> None:
    path = labels_file(pool, "09.jpg,dog,,\n")
    refused = run("import-labels", path, pool.pool, "--annotator", "ann")
    keep, replace = hinted(refused)
    assert options(keep) == {"--annotator=ann", "--on-conflict=keep"}
    assert options(replace) == {"--annotator=ann", "--on-conflict=replace"}
    told = [line.partition(": alcli")[0] for line in refused.stderr.splitlines() if line.startswith("hint: ")]
    assert told == ["hint: the earlier labels stay", "hint: the labels of this file take their place"]
    assert (run(*keep).exit_code, label_of(pool, "09.jpg")) == (0, "cat")
    assert (run(*replace).exit_code, label_of(pool, "09.jpg")) == (0, "dog")


def test_a_tie_is_not_sent_to_the_majority_again(pool: Project) -> None:
    times = "2026-11-01", "2026-11-02"
    path = labels_file(pool, f"00.jpg,cat,ann,{times[0]}\n00.jpg,dog,bo,{times[1]}\n")
    for resolve in ("error", "majority"):
        (words,) = hinted(run("import-labels", path, pool.pool, "--resolve", resolve))
        assert options(words) == {"--resolve=latest"}  # no model, so no CROWDLAB
    assert (run(*words).exit_code, label_of(pool, "00.jpg")) == (0, "dog")


def test_a_majority_that_is_there_is_offered(pool: Project) -> None:
    path = labels_file(pool, "00.jpg,cat,ann,\n00.jpg,dog,bo,\n00.jpg,cat,cy,\n")
    (words,) = hinted(run("import-labels", path, pool.pool))
    assert options(words) == {"--resolve=majority"}
    assert run(*words).exit_code == 0


def test_a_tie_goes_to_crowdlab_where_a_model_has_said_what_is_likely(
    scored_pool: Callable[..., Project], tmp_path: Path
) -> None:
    scored = scored_pool(np.random.default_rng(0).dirichlet(np.ones(2), 20))
    path = tmp_path / "votes.csv"
    votes = "".join(
        f"img-{row:04d}.jpg,class-{row % 2},ann\nimg-{row:04d}.jpg,class-0,bo\n" for row in range(9)
    )
    path.write_text(f"file_name,label,annotator\n{votes}")
    (words,) = hinted(run("import-labels", path, scored.pool, "--resolve=majority"))
    assert options(words) == {"--resolve=crowdlab"}
    assert run(*words).exit_code == 0


def test_where_nothing_settles_a_tie_the_file_is_to_be_mended(pool: Project) -> None:
    path = labels_file(pool, "00.jpg,cat,ann,\n00.jpg,dog,bo,\n")
    refused = run("import-labels", path, pool.pool, "--resolve=majority")
    assert hinted(refused) == []
    assert "hint: leave one answer for each of these images in the file" in refused.stderr


def test_naming_an_annotator_keeps_crowdlab(scored_pool: Callable[..., Project], tmp_path: Path) -> None:
    scored = scored_pool(np.random.default_rng(0).dirichlet(np.ones(2), 20))
    path = tmp_path / "votes.csv"
    votes = "".join(
        f"img-{row:04d}.jpg,class-{row % 2},ann\nimg-{row:04d}.jpg,class-0,\n" for row in range(9)
    )
    path.write_text(f"file_name,label,annotator\n{votes}")
    (words,) = hinted(run("import-labels", path, scored.pool, "--resolve", "crowdlab"))
    assert options(words) == {"--resolve=crowdlab", "--annotator=NAME"}
    assert run(*words).exit_code == 0


def test_init_hands_its_encoding_on(image_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("file_name,label\nbright/000.png,dark\n", encoding="utf-16-le")
    run("init", image_folder)
    (words,) = hinted(run("init", "--labels", path, "--encoding", "utf-16-le", image_folder))
    assert words == ["import-labels", "--encoding=utf-16-le", str(path), str(image_folder)]


def test_pseudolabel_keeps_the_precision_that_was_asked_for(pool: Project) -> None:
    (words,) = hinted(run("pseudolabel", "--min-precision", "0.9", pool.pool))
    assert words == [
        "pseudolabel", "--min-precision=0.9", "--method=confidence", "--threshold=0.99", str(pool.pool),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "offered"),
    [
        (["audit", "-m", "rad", "--no-csv-safe"], {"--method=rad-active", "--no-csv-safe"}),
        (["import-labels", "{labels}", "--check", "rad"], {"--check=rad-active"}),
    ],
)
def test_a_budget_for_questions_names_one_method_that_asks(
    pool: Project, arguments: list[str], offered: set[str]
) -> None:
    path = labels_file(pool, "00.jpg,cat,,\n")
    given = [text.format(labels=path) for text in arguments]
    refused = run(*given, pool.pool, "--oracle-budget", "3")
    assert refused.exit_code == 2
    assert "--oracle-budget: rad asks nobody" in refused.stderr
    assert "|" not in refused.stderr
    (words,) = hinted(refused)
    assert options(words) == {"--oracle-budget=3", *offered}
    assert "asks nobody" not in run(*words).stderr


def test_a_summary_as_json_does_not_change_the_hint(pool: Project) -> None:
    path = labels_file(pool, "00.jpg,bird,,\n")
    (words,) = hinted(run("import-labels", path, pool.pool, "--json"))
    assert options(words) == {"--json", "--new-classes"}
    assert json.loads(run(*words).stdout)["labelled"] == 1
