"""Rounds over time: labels, classes, accuracy and audits, counted by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from alcli import files, ledger, models, rounds
from alcli.main import app
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.reporting.history import history
from scipy import stats
from typer.testing import CliRunner

Build = Callable[..., Project]
MODEL = "0001-aaaaaa"


@pytest.fixture
def project(scored_pool: Build) -> Project:
    """Ten images: two labelled at first, two more in round 1, one in round 2, which has one still out."""
    project = scored_pool(np.full((10, 2), 0.5), labels={0: "class-0", 1: "class-1"}, splits={9: "val"})
    record = project.models / MODEL / models.RECORD
    files.write_json(record, {**files.read_json(record), "metrics": {"val_accuracy": 0.75}})
    manifest = ledger.read(project)
    labels: list[str | None] = ["class-0", "class-1", "class-1", "class-1", "class-0", *[None] * 4, "class-0"]
    given = [0, 0, 1, 1, 2, *[None] * 4, 0]
    out = [None] * 5 + [2] + [None] * 4
    manifest = manifest.replace(label=labels, label_round=given, queried_round=out, round_=2)
    write_round(project, manifest, 1, [2, 3], audit=[(2, "class-1"), (3, "class-0")])
    write_round(project, manifest, 2, [4, 5], audit=[])
    with ledger.writing(project, "select"):
        ledger.commit(project, manifest, command="select")
    return project


def write_round(
    project: Project, manifest: Manifest, number: int, rows: list[int], audit: list[tuple[int, str]]
) -> None:
    ids = manifest.strings("alcli_id")
    names = manifest.strings("file_name", np.array(rows))
    about = {
        "round": number,
        "strategy": "margin",
        "model": MODEL,
        "request": {"blind": False},
        "counts": {"images": len(rows), "queryable": 8, "audit": len(audit)},
        "audit": [{"alcli_id": ids[row], "predicted_label": guess} for row, guess in audit],
    }
    table = rounds.tabulated(
        strategy="margin", number=number, alcli_id=[ids[row] for row in rows], file_name=names
    )
    rounds.write(project, number, about, table)
    (project.round_folder(number) / rounds.LISTING).touch()


def test_a_line_per_round_and_one_before(project: Project) -> None:
    lines = history(project, ledger.read(project))
    assert [line.number for line in lines] == [0, 1, 2]
    assert [line.strategy for line in lines] == ["", "margin", "margin"]
    assert [line.selected for line in lines] == [0, 2, 2]
    assert [line.labels for line in lines] == [2, 4, 5]  # the one held out is not among them
    assert [list(line.classes) for line in lines] == [[1, 1], [1, 3], [2, 3]]
    assert [line.model for line in lines] == [None, MODEL, MODEL]
    assert [(line.accuracy, line.measured_on) for line in lines] == [(None, ""), (0.75, "val"), (0.75, "val")]


def test_the_audit_with_its_interval(project: Project) -> None:
    exact = stats.binomtest(1, 2).proportion_ci(method="exact")
    lines = history(project, ledger.read(project))
    assert lines[1].audit == pytest.approx((0.5, exact.low, exact.high))
    assert lines[2].audit is None


def test_the_test_split_is_named_where_there_is_one(project: Project) -> None:
    record = project.models / MODEL / models.RECORD
    metrics = {"val_accuracy": 0.75, "test_accuracy": 0.5}
    files.write_json(record, {**files.read_json(record), "metrics": metrics})
    line = history(project, ledger.read(project))[1]
    assert (line.accuracy, line.measured_on) == (0.5, "test")


def test_of_a_deleted_round_the_manifest_still_knows_the_images(project: Project) -> None:
    shutil.rmtree(project.round_folder(2))
    line = history(project, ledger.read(project))[2]
    assert (line.strategy, line.selected, line.labels, line.accuracy, line.model) == ("", 2, 5, None, None)


def test_a_round_that_was_taken_back_is_told_from_one_that_is_out(project: Project) -> None:
    for strategy in ("entropy", "random"):
        call = ["select", "-s", strategy, "-k", "1", "--replace", str(project.pool)]
        assert CliRunner().invoke(app, call).exit_code == 0
    lines = history(project, ledger.read(project))
    assert [line.withdrawn for line in lines] == [False, False, False, True, False]
    assert [line.selected for line in lines] == [0, 2, 2, 1, 1]


def test_a_round_that_was_declined_was_not_taken_back(project: Project, tmp_path: Path) -> None:
    answers = tmp_path / "answers.csv"
    declined = CliRunner().invoke(app, ["select", "-s", "entropy", "-k", "1", "--add", str(project.pool)])
    (name,) = rounds.read(project, 3).table["alcli_id"].to_pylist()
    answers.write_text(f"alcli_id,label,status\n{name},,skipped\n", encoding="utf-8")
    taken = CliRunner().invoke(app, ["import-labels", str(answers), str(project.pool)])
    replaced = CliRunner().invoke(app, ["select", "-s", "random", "-k", "1", "--replace", str(project.pool)])
    assert (declined.exit_code, taken.exit_code, replaced.exit_code) == (0, 0, 0)
    assert not any(line.withdrawn for line in history(project, ledger.read(project)))
    assert rounds.about(project, 4)["replaced"] == [2]


def test_a_deleted_model_leaves_the_accuracy_open(project: Project) -> None:
    shutil.rmtree(project.models)
    line = history(project, ledger.read(project))[1]
    assert (line.accuracy, line.measured_on, line.model) == (None, "", MODEL)


def test_labels_of_no_known_round_were_there_from_the_start(project: Project) -> None:
    manifest = ledger.read(project)
    manifest = manifest.assign(manifest.equals("label_round", 2), label_round=None)
    assert [line.labels for line in history(project, manifest)] == [3, 5, 5]


def alcli(*arguments: object) -> None:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr


def test_the_past_stays_as_it_was(scored_pool: Build, tmp_path: Path) -> None:
    """Later an image of the start gets another label, and a folder of labelled ones joins the pool."""
    project = scored_pool(np.full((12, 2), 0.5), labels={0: "class-0", 1: "class-1"})
    answers = tmp_path / "answers.csv"
    for _ in range(2):
        alcli("select", "-s", "random", "-k", 3, project.pool)
        asked = rounds.read(project, ledger.read(project).round).table["file_name"].to_pylist()
        answers.write_text("file_name,label\n" + "".join(f"{name},class-0\n" for name in asked))
        alcli("import-labels", answers, project.pool)
    before = [[1, 1], [4, 1], [7, 1]]
    assert [list(line.classes) for line in history(project, ledger.read(project))] == before
    answers.write_text("file_name,label\nimg-0000.jpg,class-1\n")
    alcli("import-labels", "--on-conflict", "replace", answers, project.pool)
    manifest = ledger.read(project)
    joined = manifest.assign(np.flatnonzero(~manifest.labelled)[:3], label="class-1", label_round=None)
    with ledger.writing(project, "init"):
        ledger.commit(project, joined, command="init")
    lines = history(project, ledger.read(project))
    assert [list(line.classes) for line in lines] == [*before[:2], [6, 5]]
    assert [line.labels for line in lines] == [2, 5, 11]
    for number in (1, 2):  # by an older alcli, which wrote no classes down
        path = project.round_folder(number) / rounds.RECORD
        about = files.read_json(path)
        del about["statistics"]["classes"]
        files.write_json(path, about)
    assert [line.labels for line in history(project, ledger.read(project))] == [4, 7, 11]


def test_gold_rows_were_sent_out_too(scored_pool: Build) -> None:
    project = scored_pool(np.full((12, 2), 0.5), labels=dict.fromkeys(range(6), "class-0"))
    alcli("select", "-s", "random", "-k", 4, "--gold", "50%", project.pool)
    assert history(project, ledger.read(project))[1].selected == 6


def test_a_pool_before_its_first_round(scored_pool: Build) -> None:
    project = scored_pool(np.full((3, 2), 0.5), labels={1: "class-1"})
    (line,) = history(project, ledger.read(project))
    assert (line.number, line.labels, list(line.classes)) == (0, 1, [0, 1])
