"""Commits and undo: nothing is lost, whatever happens in between."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from alcli import files, ledger, summary
from alcli import manifest as manifests
from alcli.errors import CannotWrite, InputRejected, StepMissing
from alcli.manifest import Manifest
from alcli.project import Project


def manifest_of(*labels: str | None) -> Manifest:
    names = [f"{number}.png" for number in range(len(labels))]
    columns = {
        "file_name": names,
        "size": [1] * len(names),
        "mtime_ns": [1] * len(names),
        "label": list(labels),
    }
    return Manifest.build(columns, sorted({label for label in labels if label}))


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    return Project.open(tmp_path)


def commit(pool: Project, *labels: str | None, command: str = "init") -> None:
    with ledger.writing(pool, command):
        ledger.commit(pool, manifest_of(*labels), command=command, rows=len(labels))


def labels(pool: Project) -> list[str | None]:
    return manifests.read(pool.manifest).strings("label")


def test_a_commit_is_written_down_and_counted(pool: Project) -> None:
    commit(pool, "a", None)
    commit(pool, "a", "b", command="import-labels")
    assert labels(pool) == ["a", "b"]
    lines = files.read_lines(pool.journal)
    assert [(line["command"], line["rows"]) for line in lines] == [("init", 2), ("import-labels", 2)]
    assert lines[1]["manifest"] == files.file_digest(pool.manifest)
    assert lines[1]["at"].endswith("+00:00")
    assert summary.read(pool)["labelled"] == 2


def test_undo_goes_back_step_by_step(pool: Project) -> None:
    commit(pool, None, None)
    first = pool.manifest.read_bytes()
    commit(pool, "a", None, command="import-labels")
    commit(pool, "a", "b", command="pseudolabel")
    assert ledger.undo(pool, dry_run=True) == "pseudolabel"
    assert labels(pool) == ["a", "b"]
    assert ledger.undo(pool) == "pseudolabel"
    assert labels(pool) == ["a", None]
    assert summary.read(pool)["labelled"] == 1
    assert ledger.undo(pool) == "import-labels"
    assert pool.manifest.read_bytes() == first
    with pytest.raises(StepMissing, match="nothing to undo") as caught:
        ledger.undo(pool)
    assert caught.value.exit_code == 3
    assert [line["command"] for line in files.read_lines(pool.journal)][-2:] == ["undo", "undo"]


def test_a_step_can_be_taken_again_after_undo(pool: Project) -> None:
    commit(pool, None)
    commit(pool, "a", command="import-labels")
    ledger.undo(pool)
    commit(pool, "b", command="import-labels")
    assert ledger.undo(pool) == "import-labels"
    assert labels(pool) == [None]


def test_what_was_undone_does_not_stand_in_the_journal(pool: Project) -> None:
    def standing() -> list[str]:
        return [line["command"] for line in ledger.standing(pool)]

    commit(pool, "a", None)
    commit(pool, "a", "b", command="pseudolabel")
    ledger.note(pool, "train")
    assert standing() == ["init", "pseudolabel", "train"]
    ledger.undo(pool)
    assert standing() == ["init"]
    commit(pool, "a", "b", command="pseudolabel")
    commit(pool, "a", None, command="clear")  # the very bytes of the beginning again
    commit(pool, "b", "b", command="import-labels")
    ledger.undo(pool)
    assert standing() == ["init", "pseudolabel", "clear"]
    ledger.undo(pool)
    ledger.undo(pool)
    assert standing() == ["init"]
    pool.journal.unlink()
    assert standing() == []


def test_undo_without_a_manifest_writes_nothing(pool: Project) -> None:
    with pytest.raises(StepMissing):
        ledger.undo(pool)
    assert [path.name for path in pool.pool.iterdir()] == []


def test_undo_mends_a_broken_manifest(pool: Project) -> None:
    commit(pool, None)
    commit(pool, "a", command="import-labels")
    pool.manifest.write_bytes(b"broken")
    assert ledger.undo(pool) == "import-labels"
    assert labels(pool) == [None]


def test_undo_mends_a_deleted_manifest(pool: Project) -> None:
    commit(pool, None)
    commit(pool, "a", command="import-labels")
    pool.manifest.unlink()
    ledger.undo(pool)
    assert labels(pool) == [None]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_changes_nothing(pool: Project, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    commit(pool, None)
    before = pool.manifest.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", fail)
        with pytest.raises(CannotWrite) as caught:
            commit(pool, "a", command="import-labels")
    assert caught.value.exit_code == 2
    assert pool.manifest.read_bytes() == before
    assert ledger.earlier_manifests(pool) == []
    assert len(files.read_lines(pool.journal)) == 1
    commit(pool, "b", command="import-labels")
    assert labels(pool) == ["b"]


def test_once_the_manifest_is_in_place_a_full_disk_is_only_told(
    pool: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    commit(pool, None)

    def full(*_: object, **__: object) -> None:
        raise CannotWrite("cannot write summary.json: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(summary, "write", full)
        commit(pool, "a", command="import-labels")
    assert labels(pool) == ["a"]
    assert "import-labels is done, but its line in the journal is not" in caplog.text
    commit(pool, "b", command="import-labels")
    told = [line["command"] for line in files.read_lines(pool.journal)]
    assert told == ["init", "recovered", "import-labels"]


def test_a_kill_before_the_rename_is_undone_by_the_next_undo(pool: Project) -> None:
    commit(pool, None)
    commit(pool, "a", command="import-labels")
    (pool.history / "000002-pseudolabel.parquet").hardlink_to(pool.manifest)  # remembered, then killed
    assert ledger.undo(pool) == "import-labels"
    assert labels(pool) == [None]
    assert ledger.earlier_manifests(pool) == []


def test_a_kill_after_the_rename_is_made_up_for(pool: Project) -> None:
    commit(pool, None)
    manifests.write(manifest_of("a"), pool.manifest)
    assert summary.read(pool)["labelled"] == 1  # counted afresh, not from the old file
    with ledger.writing(pool, "select"):
        assert summary.is_current(pool)
    assert files.read_lines(pool.journal)[-1]["command"] == "recovered"


def test_only_the_newest_twenty_are_kept(pool: Project) -> None:
    for number in range(ledger.KEPT + 4):
        commit(pool, f"label{number}")
    kept = ledger.earlier_manifests(pool)
    assert len(kept) == ledger.KEPT
    assert manifests.read(kept[0]).strings("label") == ["label3"]


def test_disks_without_hard_links_will_do(pool: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    commit(pool, None)
    commit(pool, "a", command="import-labels")
    assert ledger.undo(pool) == "import-labels"
    assert labels(pool) == [None]


def test_a_file_of_the_user_in_the_manifests_place_comes_back(pool: Project) -> None:
    theirs = pool.pool / "theirs.parquet"
    pq.write_table(manifest_of(None).table.select(["file_name"]), theirs)
    shutil.copy(theirs, pool.manifest)
    commit(pool, "a")
    assert ledger.undo(pool) == "init"
    assert pool.manifest.read_bytes() == theirs.read_bytes()


def test_a_file_of_the_user_is_kept_for_ever(pool: Project) -> None:
    pq.write_table(manifest_of(None).table.select(["file_name"]), pool.manifest)
    theirs = pool.manifest.read_bytes()
    for number in range(ledger.KEPT + 4):
        commit(pool, f"label{number}")
    assert [path.read_bytes() for path in pool.history.glob("original-*.parquet")] == [theirs]
    for number in range(ledger.KEPT):
        assert ledger.undo(pool) == "init", number
    with pytest.raises(StepMissing):  # the file is no step back: what lies between is gone
        ledger.undo(pool)
    assert labels(pool) == ["label3"]


def test_the_counts(pool: Project) -> None:
    manifest = manifest_of("a", "a", "b", None, None, None)
    manifest = manifest.assign(np.array([0]), split="val").assign(np.array([1, 2]), label_round=[0, 1])
    manifest = manifest.assign(np.array([3]), queried_round=1).replace(round_=1)
    manifest = manifest.assign(np.array([4]), status="unreadable", problem="truncated")
    manifest = manifest.assign(np.array([5]), pseudo_label="b")
    with ledger.writing(pool, "init"):
        ledger.commit(pool, manifest, command="init")
    counts = summary.read(pool)
    assert counts["images"] == 6
    assert counts["splits"] == {"train": 5, "val": 1, "test": 0}
    assert counts["statuses"] == {"ok": 5, "unreadable": 1, "missing": 0, "skipped": 0, "excluded": 0}
    assert (counts["labelled"], counts["labelled_train"], counts["pseudo_labelled"]) == (3, 2, 1)
    assert (counts["queryable"], counts["out"], counts["round"]) == (1, 1, 1)
    assert counts["classes"] == {
        "a": {"labelled": 2, "pseudo_labelled": 0},
        "b": {"labelled": 1, "pseudo_labelled": 1},
    }
    assert counts["rounds_out"] == {"1": 1}
    assert counts["rounds_back"] == {}  # the round has no list
    assert counts["problems"] == [{"file_name": "4.png", "status": "unreadable", "problem": "truncated"}]


def test_a_manifest_that_somebody_touched_is_checked_again(tmp_path: Path) -> None:
    project = Project.open(tmp_path)
    manifest = Manifest.build({"file_name": ["a.png", "b.png"], "size": [1, 1], "mtime_ns": [1, 1]}, [])
    with ledger.writing(project, "init"):
        ledger.commit(project, manifest, command="init")
    assert ledger.read(project).strings("file_name") == ["a.png", "b.png"]
    table = pq.read_table(project.manifest)
    pq.write_table(table.take([0, 1, 1]), project.manifest)
    with pytest.raises(InputRejected, match="more than once"):
        ledger.read(project)
