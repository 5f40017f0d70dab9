"""Answers to gold rows: recorded and counted, and nothing else."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
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
from typer.testing import CliRunner, Result

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
    answers: Sequence[tuple[str, ...]],
    *,
    dry_run: bool = False,
    **rules: Any,
) -> ImportReport:
    return import_labels(project, written(folder, answers), rules=Rules(**rules), dry_run=dry_run)


def written(folder: Path, answers: Sequence[tuple[str, ...]]) -> Path:
    path = folder / "answers.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("alcli_id", "label", "annotator", "labelled_at"), *((*row, "")[:4] for row in answers)]
        )
    return path


def command_line(project: Project, path: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["import-labels", str(path), str(project.pool), *options])


def label_of(project: Project, name: str) -> str | None:
    manifest = manifest_of(project)
    return manifest.strings("label")[manifest.strings("alcli_id").index(name)]


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
    """As whoever cannot tell gold rows from the others does: with answers to both."""
    chosen, planted = sent(pool)
    bring(pool, tmp_path, [(name, "class-0", "ann") for name in (*chosen, *planted)])
    second = [(name, "class-2", "bo") for name in planted] + [(chosen[0], "class-0", "bo")]
    done = bring(pool, tmp_path, second)
    assert (done.replaced, done.kept) == (0, 0)
    assert [(one.annotator, one.right, one.n) for one in done.gold] == [("bo", 0, 5)]
    assert len(recorded(pool)) == 10
    assert set(manifest_of(pool).strings("label")[:30]) == {"class-0"}
    assert not bring(pool, tmp_path, second).changed


def test_a_class_that_does_not_exist_rejects_the_file(
    pool: Project, tmp_path: Path, snapshot: Snapshot
) -> None:
    _, planted = sent(pool)
    before = snapshot(pool.state)
    done = command_line(pool, written(tmp_path, [(planted[0], "cla", "ann")]))
    assert done.exit_code == 5
    assert "1 unknown class" in done.stderr
    assert "unknown class 'cla'" in done.stderr
    assert "--new-classes" in done.stderr
    assert snapshot(pool.state) == before


def test_with_new_classes_such_an_answer_is_wrong_and_makes_no_class(pool: Project, tmp_path: Path) -> None:
    chosen, planted = sent(pool)
    answers = [(name, "class-0", "ann") for name in (*chosen, *planted[2:])]
    path = written(tmp_path, [*answers, (planted[0], "zz", "ann"), (planted[1], "yy", "bo")])
    done = command_line(pool, path, "--new-classes")
    assert done.exit_code == 0, done.stderr
    assert "gold rows: ann gave the known label 3 of 4 times" in done.stderr
    assert "gold rows: bo gave the known label 0 of 1 times" in done.stderr
    assert list(manifest_of(pool).classes) == CLASSES
    given = {(name, who): label for name, who, label in recorded(pool)}
    assert (given[planted[0], "ann"], given[planted[1], "bo"]) == ("zz", "yy")
    assert not bring(pool, tmp_path, [(planted[1], "yy", "bo")], new_classes=True).changed


def test_what_others_make_a_class_of_is_wrong_on_a_gold_row(pool: Project, tmp_path: Path) -> None:
    chosen, planted = sent(pool)
    answers = [(chosen[0], "new", "ann"), (planted[0], "new", "ann"), (planted[1], "zz", "ann")]
    done = bring(pool, tmp_path, answers, new_classes=True)
    assert done.new_classes == ("new",)
    assert (done.gold[0].right, done.gold[0].n) == (0, 2)
    assert [label for *_, label in recorded(pool)] == [
        label for _, label in sorted([(planted[0], "new"), (planted[1], "zz")])
    ]


@pytest.mark.parametrize("resolve", ["error", "majority", "crowdlab"])
def test_a_row_twice_by_one_person_is_a_mistake(pool: Project, tmp_path: Path, resolve: str) -> None:
    _, planted = sent(pool)
    answers = [(planted[0], f"class-{number}", "ann", f"2026-01-01T1{number}:00") for number in range(2)]
    with pytest.raises(InputRejected, match="1 duplicate row"):
        bring(pool, tmp_path, answers, resolve=resolve)


@pytest.mark.parametrize("who", ["ann", ""])
def test_latest_takes_the_later_one_as_a_correction(pool: Project, tmp_path: Path, who: str) -> None:
    _, planted = sent(pool)
    answers = [(name, "class-0", who, "2026-01-01T11:00") for name in planted]
    answers += [(name, "class-1", who, "2026-01-01T10:00") for name in planted]
    done = bring(pool, tmp_path, answers, resolve="latest")
    assert [(one.annotator, one.right, one.n) for one in done.gold] == [(who or None, 5, 5)]
    assert recorded(pool) == sorted((name, who or None, "class-0") for name in planted)
    assert not bring(pool, tmp_path, answers, resolve="latest").changed


@pytest.mark.parametrize("times", [("2026-01-01", "2026-01-01"), ("2026-01-01", ""), ("", "")])
def test_latest_needs_to_know_which_is_later(pool: Project, tmp_path: Path, times: tuple[str, str]) -> None:
    """As among votes: what chance would decide is a mistake in the file."""
    chosen, planted = sent(pool)
    for name in (chosen[0], planted[0]):
        answers = [(name, f"class-{at}", "ann", time) for at, time in enumerate(times)]
        with pytest.raises(InputRejected, match="1 duplicate row"):
            bring(pool, tmp_path, answers, resolve="latest")


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


@pytest.mark.parametrize("who", ["ann", "expert", ""])
def test_once_it_is_back_another_label_is_a_conflict_and_can_be_corrected(
    pool: Project, tmp_path: Path, snapshot: Snapshot, who: str
) -> None:
    chosen, planted = sent(pool)
    bring(pool, tmp_path, [(name, "class-0", "ann") for name in (*chosen, *planted)])
    before, fix = snapshot(pool.state), written(tmp_path, [(planted[0], "class-2", who)])
    refused = command_line(pool, fix)
    assert refused.exit_code == 5
    assert "already labelled 'class-0', here 'class-2'" in refused.stderr
    assert snapshot(pool.state) == before
    done = command_line(pool, fix, "--on-conflict", "replace")
    assert done.exit_code == 0, done.stderr
    assert "gold rows" not in done.stderr
    assert label_of(pool, planted[0]) == "class-2"
    assert len(recorded(pool)) == 5
    assert not bring(pool, tmp_path, [(planted[0], "class-2", who)]).changed


@pytest.mark.parametrize("who", ["ann", ""])
def test_the_owner_may_find_that_the_gold_row_was_wrong(pool: Project, tmp_path: Path, who: str) -> None:
    """One row is no delivery again, although the same was said in one."""
    chosen, planted = sent(pool)
    delivery = [(name, "class-1", who) for name in (*chosen, *planted)]
    bring(pool, tmp_path, delivery)
    fix = written(tmp_path, [(planted[0], "class-1", who)])
    assert command_line(pool, fix).exit_code == 5
    assert command_line(pool, fix, "--on-conflict", "replace").exit_code == 0
    assert label_of(pool, planted[0]) == "class-1"
    assert not bring(pool, tmp_path, delivery).changed
    assert not bring(pool, tmp_path, delivery, on_conflict="replace").changed
    assert [label_of(pool, name) for name in planted[1:]] == ["class-0"] * 4


def test_a_delivery_with_one_answer_put_right_is_a_delivery_still(pool: Project, tmp_path: Path) -> None:
    chosen, planted = sent(pool)
    bring(pool, tmp_path, [(name, "class-1", "ann") for name in (*chosen, *planted)])
    answers = [
        (planted[0], "class-0", "ann"),
        *((name, "class-1", "ann") for name in (*chosen, *planted[1:])),
    ]
    done = bring(pool, tmp_path, answers, on_conflict="replace")
    assert (done.replaced, done.gold[0].n) == (0, 4)
    assert {label_of(pool, name) for name in planted} == {"class-0"}


def test_each_of_several_deliveries_can_be_repeated(pool: Project, tmp_path: Path) -> None:
    chosen, planted = sent(pool)
    answers = [(name, "class-1", "ann") for name in (*chosen, *planted)]
    bring(pool, tmp_path, answers[:12])
    bring(pool, tmp_path, answers[12:])
    for part in (answers[:12], answers[12:], answers):
        assert not bring(pool, tmp_path, part, on_conflict="replace").changed


def test_a_second_round_asks_anew(pool: Project, tmp_path: Path) -> None:
    """The same wrong answer about the same image counts again, and either delivery can be repeated."""
    chosen, planted = sent(pool)
    first = [(name, "class-1", "ann") for name in (*chosen, *planted)]
    bring(pool, tmp_path, first)
    selection.select(pool, Request(k="15", gold="100%"))
    chosen, again = sent(pool)
    assert set(again) & set(planted), "the seed must draw one of them twice"
    second = [(name, "class-1", "ann") for name in (*chosen, *again)]
    bring(pool, tmp_path, second)
    assert len(recorded(pool)) == len(planted) + len(again)
    assert not bring(pool, tmp_path, second).changed
    assert {label_of(pool, name) for name in again} <= {"class-0", "class-1"}


def test_a_withdrawn_gold_row_was_never_asked(pool: Project, tmp_path: Path, snapshot: Snapshot) -> None:
    _, planted = sent(pool)
    selection.select(pool, Request(k="3"), settings=selection.Settings(replace=True))
    before, fix = snapshot(pool.state), written(tmp_path, [(planted[0], "class-1", "")])
    assert command_line(pool, fix).exit_code == 5
    assert snapshot(pool.state) == before
    done = command_line(pool, fix, "--on-conflict", "replace")
    assert done.exit_code == 0, done.stderr
    assert "gold rows" not in done.stderr
    assert label_of(pool, planted[0]) == "class-1"
    assert recorded(pool) == []


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
    assert "open: 10 out, 5 back" in status.stdout
