"""Labels coming back: matched to images, checked, and taken in whole or not at all."""

from __future__ import annotations

import csv
import datetime
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alcli import identity, labelling, ledger, manifest as manifests
from alcli.errors import InputRejected, StepMissing, UsageError
from alcli.labelling import ImportReport, Rules, matching
from alcli.manifest import Manifest
from alcli.project import Project

CAFE = unicodedata.normalize("NFC", "café/1.jpg")
NAMES = ["=sum.jpg", "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/3 x.jpg", CAFE, "held/1.jpg", "known/1.jpg", "x.jpg"]
Import = Callable[..., ImportReport]


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    """Nine images: one labelled cat, one in val, `a/*` and `b/*` out in rounds 1 and 2; one has a pseudo-label."""
    folder = tmp_path / "pool"
    folder.mkdir()
    manifest = Manifest.build({"file_name": NAMES, "size": [1] * 9, "mtime_ns": [1] * 9}, ["cat", "dog"])
    rows = {name: row for row, name in enumerate(manifest.strings("file_name"))}
    columns: dict[str, list[Any]] = {name: [None] * 9 for name in ("label", "queried_round", "pseudo_label", "sha256")}
    columns["split"] = ["train"] * 9
    columns["label"][rows["known/1.jpg"]] = "cat"
    columns["split"][rows["held/1.jpg"]] = "val"
    columns["pseudo_label"][rows["a/1.jpg"]] = "dog"
    columns["sha256"][rows["a/1.jpg"]] = "ab" * 32
    for name, round_ in (("a/1.jpg", 1), ("a/2.jpg", 1), ("b/1.jpg", 2), ("b/3 x.jpg", 2)):
        columns["queried_round"][rows[name]] = round_
    project = Project.open(folder)
    with ledger.writing(project, "init"):
        ledger.commit(project, manifest.replace(**columns, round_=2), command="init")
    return project


@pytest.fixture
def bring(pool: Project, tmp_path: Path) -> Import:
    """Return a function that writes a file and imports it."""

    def run(content: str | bytes, *, name: str = "labels.csv", **options: Any) -> ImportReport:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        known = {key: options.pop(key) for key in ("kind", "encoding", "report", "dry_run") if key in options}
        return labelling.import_labels(pool, path, rules=Rules(**options), **known)

    return run


def cells(project: Project, *columns: str, image: str = "a/1.jpg") -> list[Any]:
    table = manifests.read(project.manifest).table
    row = table["file_name"].to_pylist().index(image)
    return [table[column][row].as_py() for column in columns]


def labels(project: Project) -> dict[str, str]:
    table = manifests.read(project.manifest).table
    pairs = zip(table["file_name"].to_pylist(), table["label"].to_pylist(), strict=True)
    return {name: label for name, label in pairs if label and name != "known/1.jpg"}


def reasons(rejected: pytest.ExceptionInfo[InputRejected]) -> list[str]:
    return rejected.value.details


# What a label changes.


def test_a_label_is_recorded_with_its_round_and_source(pool: Project, bring: Import) -> None:
    done = bring("file_name,label,annotator,labelled_at\na/1.jpg,cat,ann,2026-11-01T12:00:00+02:00\n")
    columns = ("label", "label_source", "label_round", "annotator", "labelled_at", "agreement")
    noon = datetime.datetime(2026, 11, 1, 10, tzinfo=datetime.UTC)
    assert cells(pool, *columns) == ["cat", "import:csv", 1, "ann", noon, None]
    assert cells(pool, "queried_round", "pseudo_label", "pseudo_confidence", "pseudo_method") == [None] * 4
    assert (done.labelled, done.by_round, done.still_out, done.changed) == (1, {1: 1}, {1: 1, 2: 2}, True)


def test_labels_that_nobody_asked_for_are_taken_and_counted(pool: Project, bring: Import) -> None:
    done = bring("file_name,label\nx.jpg,dog\nheld/1.jpg,cat\na/1.jpg,cat\n")
    assert (done.labelled, done.unsent, done.held_out) == (3, 2, 1)
    assert cells(pool, "label", "label_round", image="x.jpg") == ["dog", 2]  # the newest round
    assert cells(pool, "label", "label_round", image="a/1.jpg") == ["cat", 1]  # the round it went out in


def test_the_same_file_twice_changes_nothing(
    pool: Project, bring: Import, snapshot: Callable[[Path], dict[str, bytes]]
) -> None:
    content = "file_name,label,annotator,status\na/1.jpg,cat,ann,\na/1.jpg,dog,bo,\na/1.jpg,cat,cy,\nb/1.jpg,,,skipped\n"
    first = bring(content, resolve="majority")
    before = snapshot(pool.state)
    second = bring(content, resolve="majority")
    assert first.changed
    assert not second.changed
    assert (second.labelled, second.unchanged, second.skipped) == (0, 1, 0)
    del before[".alcli/lock.json"], before  # only a run's own lock file may differ
