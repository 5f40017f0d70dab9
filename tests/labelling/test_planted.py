"""Answers to gold rows: recorded and counted, and nothing else."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alcli import gold, ledger, selection
from alcli import manifest as manifests
from alcli.errors import InputRejected
from alcli.labelling import ImportReport, Rules, import_labels
from alcli.main import app
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.request import Request
from typer.testing import CliRunner

Build = Callable[..., Project]
Snapshot = Callable[[Path], dict[str, bytes]]
CLASSES = ["class-0", "class-1", "class-2"]


@pytest.fixture
def pool(scored_pool: Build) -> Project:
    """A round of 10 images and 5 gold rows is out; every label there is is class-0."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 60)
    project = scored_pool(probabilities, labels=dict.fromkeys(range(30), "class-0"))
    selection.select(project, Request(k="10", gold="50%"))
    return project


def manifest_of(project: Project) -> Manifest:
    return manifests.read(project.manifest)


def sent(project: Project) -> tuple[list[str], list[str]]:
    """The ids that are out: those chosen, and the gold rows."""
    manifest = manifest_of(project)
    out = np.flatnonzero(manifest.out)
    chosen, planted = out[~manifest.labelled[out]], out[manifest.labelled[out]]
    return (
        [str(name) for name in manifest.strings("alcli_id", chosen)],
        [str(name) for name in manifest.strings("alcli_id", planted)],
    )


def bring(
    project: Project,
    folder: Path,
    answers: list[tuple[str, str, str]],
    *,
    dry_run: bool = False,
    **rules: Any,
) -> ImportReport:
    return import_labels(project, written(folder, answers), rules=Rules(**rules), dry_run=dry_run)


def written(folder: Path, answers: list[tuple[str, str, str]]) -> Path:
    path = folder / "answers.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("alcli_id", "label", "annotator"), *answers])
    return path


def recorded(project: Project) -> list[tuple[str, str | None, str]]:
    rows = gold.answers(project, manifest_of(project)).to_pylist()
    return sorted((row["alcli_id"], row["annotator"], row["label"]) for row in rows)


def test_an_answer_changes_no_label_and_is_no_conflict(pool: Project, tmp_path: Path) -> None:
    chosen, planted = sent(pool)
    before = manifest_of(pool)
    answers = [(name, "class-1", "ann") for name in (*chosen, *planted)]
    for on_conflict in ("error", "keep", "replace"):
        bring(pool, tmp_path, answers, dry_run=True, on_conflict=on_conflict)
    done = bring(pool, tmp_path, answers, on_conflict="replace")
    assert (done.labelled, done.replaced, done.kept, done.unchanged) == (10, 0, 0, 0)
    assert (done.images, done.by_round, done.still_out) == (15, {1: 15}, {})
    after = manifest_of(pool)
    assert [after.strings("label")[row] for row in np.flatnonzero(before.labelled)] == ["class-0"] * 30
    assert after.open_rounds == []
    assert recorded(pool) == sorted((name, "ann", "class-1") for name in planted)


def test_the_report_counts_each_annotator(pool: Project, tmp_path: Path) -> None:
    _, planted = sent(pool)
    answers = [(name, "class-0", "ann") for name in planted]
    answers += [(name, f"class-{number % 2}", "bo") for number, name in enumerate(planted)]
    found = bring(pool, tmp_path, answers).gold
    assert [(one.annotator, one.right, one.n) for one in found] == [("ann", 5, 5), ("bo", 3, 5)]
    assert (found[0].low, found[0].high) == pytest.approx((0.47817624, 1.0))  # (.025)^(1/5)


def test_the_same_file_twice_changes_nothing(pool: Project, tmp_path: Path, snapshot: Snapshot) -> None:
    chosen, planted = sent(pool)
    answers = [(name, "class-1", who) for name in (*chosen, *planted) for who in ("ann", "")]
    bring(pool, tmp_path, answers)
    before = snapshot(pool.state)
    again = bring(pool, tmp_path, answers)
    assert not again.changed
    assert [one.n for one in again.gold] == [5, 5]
    assert not bring(pool, tmp_path, answers, on_conflict="replace").changed
    assert snapshot(pool.state) == before


def test_a_second_annotator_may_come_later(pool: Project, tmp_path: Path) -> None:
    chosen, planted = sent(pool)
    bring(pool, tmp_path, [(name, "class-0", "ann") for name in (*chosen, *planted)])
    done = bring(pool, tmp_path, [(name, "class-2", "bo") for name in planted])
    assert (done.replaced, done.kept) == (0, 0)
    assert len(recorded(pool)) == 10
    assert set(manifest_of(pool).strings("label")[:30]) == {"class-0"}


def test_a_class_that_does_not_exist_rejects_the_file(
    pool: Project, tmp_path: Path, snapshot: Snapshot
) -> None:
    chosen, planted = sent(pool)
    before = snapshot(pool.state)
    for new_classes in (False, True):  # an answer to a gold row makes no class
        with pytest.raises(InputRejected, match="1 unknown class") as found:
            bring(pool, tmp_path, [(planted[0], "cla", "ann")], new_classes=new_classes)
        assert "unknown class 'cla'" in found.value.details[0]
        assert snapshot(pool.state) == before
    done = bring(pool, tmp_path, [(chosen[0], "new", "ann"), (planted[0], "new", "ann")], new_classes=True)
    assert done.new_classes == ("new",)
    assert done.gold[0].right == 0


def test_a_row_twice_by_one_person_is_a_mistake(pool: Project, tmp_path: Path) -> None:
    _, planted = sent(pool)
    with pytest.raises(InputRejected, match="1 duplicate row"):
        bring(pool, tmp_path, [(planted[0], "class-0", "ann")] * 2)


def test_an_unanswered_gold_row_stays_out_and_a_declined_one_comes_back(
    pool: Project, tmp_path: Path
) -> None:
    chosen, planted = sent(pool)
    path = tmp_path / "answers.csv"
    rows = [f"{name},class-0,\n" for name in chosen] + [f"{planted[0]},,\n", f"{planted[1]},,skipped\n"]
    path.write_text("alcli_id,label,status\n" + "".join(rows))
    done = import_labels(pool, path)
    assert (done.unanswered, done.skipped, done.still_out) == (1, 0, {1: 4})
    after = manifest_of(pool)
    assert after.open_rounds == [1]
    assert set(after.strings("status")) == {"ok"}


def test_undo_takes_the_answers_back(pool: Project, tmp_path: Path) -> None:
    _, planted = sent(pool)
    bring(pool, tmp_path, [(planted[0], "class-1", "ann")])
    ledger.undo(pool)
    assert recorded(pool) == []
    assert int(manifest_of(pool).out.sum()) == 15


def test_once_it_is_back_a_label_can_be_corrected_on_purpose(pool: Project, tmp_path: Path) -> None:
    chosen, planted = sent(pool)
    bring(pool, tmp_path, [(name, "class-0", "ann") for name in (*chosen, *planted)])
    done = bring(pool, tmp_path, [(planted[0], "class-2", "expert")], on_conflict="replace")
    assert (done.replaced, done.gold) == (1, ())
    row = manifest_of(pool).strings("alcli_id").index(planted[0])
    assert manifest_of(pool).strings("label")[row] == "class-2"


def test_a_withdrawn_gold_row_is_one_still(pool: Project, tmp_path: Path) -> None:
    _, planted = sent(pool)
    selection.select(pool, Request(k="3"), settings=selection.Settings(replace=True))
    assert bring(pool, tmp_path, [(planted[0], "class-1", "ann")]).gold[0].n == 1


def test_through_the_command_line(pool: Project, tmp_path: Path) -> None:
    _, planted = sent(pool)
    path = written(
        tmp_path, [(name, "class-0", "ann") for name in planted[:4]] + [(planted[4], "class-1", "ann")]
    )
    arguments = ["import-labels", str(path), str(pool.pool)]
    told = CliRunner().invoke(app, [*arguments, "--dry-run"])
    assert (
        "gold rows: ann gave the known label 4 of 5 times: 80.0%, 95 % interval 28.4% to 99.5%" in told.stderr
    )
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)["gold"]
    assert [(one["annotator"], one["n"], one["right"]) for one in found] == [("ann", 5, 4)]
    status = CliRunner().invoke(app, ["status", str(pool.pool)])
    assert "open: 10 out, 0 back" in status.stdout
