"""The record of who answered what: it grows, it counts from the commit on, and undo takes it back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from alcli import ledger, votebook
from alcli import manifest as manifests
from alcli.errors import InputRejected
from alcli.main import app
from alcli.manifest import Manifest
from alcli.project import Project
from typer.testing import CliRunner

from tests.conftest import draw

SCHEMA = votebook.COLUMNS.remove(4)


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    (tmp_path / "pool").mkdir()
    project = Project.open(tmp_path / "pool")
    columns = {
        "file_name": ["a", "b", "c"],
        "size": [1] * 3,
        "mtime_ns": [1] * 3,
        "label_round": [1, 2, None],
    }
    with ledger.writing(project, "init"):
        ledger.commit(project, Manifest.build(columns, ["cat", "dog"]).replace(round_=2), command="init")
    return project


def said(*rows: tuple[str, str | None, str]) -> pa.Table:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return pa.table([*columns, pa.nulls(len(rows), SCHEMA.types[3])], schema=SCHEMA)


def bring(project: Project, rounds: list[int], *rows: tuple[str, str | None, str]) -> None:
    manifest = manifests.read(project.manifest)
    changed = votebook.write(project, manifest, {votebook.VOTES: (said(*rows), np.array(rounds))})
    ledger.commit(project, changed, command="import-labels")


def listed(project: Project) -> list[tuple[str, str, int]]:
    table = votebook.read(project, manifests.read(project.manifest))
    return [(row["annotator"], row["label"], row["delivery"]) for row in table.to_pylist()]


def test_answers_lie_in_their_rounds_and_are_read_in_order_of_deliveries(pool: Project) -> None:
    bring(pool, [2, 0], ("x1", "ann", "cat"), ("x2", "bo", "dog"))
    bring(pool, [1], ("x1", "ann", "dog"))
    assert listed(pool) == [("bo", "dog", 1), ("ann", "cat", 1), ("ann", "dog", 2)]
    assert len(pq.read_table(pool.round_folder(2) / "votes.parquet")) == 1
    assert len(pq.read_table(pool.home / "votes" / "votes.parquet")) == 1
    last = votebook.last_words(votebook.read(pool, manifests.read(pool.manifest)))
    assert last["label"].to_pylist() == ["dog", "dog"]


def test_what_was_never_committed_counts_for_nothing_then_or_later(pool: Project) -> None:
    bring(pool, [1], ("x1", "ann", "cat"))
    manifest = manifests.read(pool.manifest)
    votebook.write(
        pool, manifest, {votebook.VOTES: (said(("x1", "bo", "dog")), np.array([2]))}
    )  # killed here
    assert listed(pool) == [("ann", "cat", 1)]
    bring(pool, [1], ("x2", "cy", "cat"))  # takes the number that the killed one had
    assert listed(pool) == [("ann", "cat", 1), ("cy", "cat", 2)]
    assert len(pq.read_table(pool.round_folder(2) / "votes.parquet")) == 0


def test_undo_takes_answers_back(pool: Project) -> None:
    bring(pool, [1], ("x1", "ann", "cat"))
    bring(pool, [1], ("x1", "bo", "dog"))
    ledger.undo(pool)
    assert listed(pool) == [("ann", "cat", 1)]
    bring(pool, [1], ("x1", "cy", "dog"))
    assert listed(pool) == [("ann", "cat", 1), ("cy", "dog", 2)]
    ledger.undo(pool)
    ledger.undo(pool)
    assert listed(pool) == []


def test_a_delivery_takes_the_place_of_one_that_was_undone_in_every_kind_of_file(pool: Project) -> None:
    names = (votebook.VOTES, votebook.WITHHELD, votebook.GOLD_ANSWERS)
    manifest = manifests.read(pool.manifest)
    one = said(("x1", "ann", "cat")), np.array([1])
    ledger.commit(pool, votebook.write(pool, manifest, dict.fromkeys(names, one)), command="import-labels")
    ledger.undo(pool)
    bring(pool, [2], ("x2", "bo", "dog"))
    after = manifests.read(pool.manifest)
    assert [len(votebook.read(pool, after, name)) for name in names] == [1, 0, 0]
    assert [len(pq.read_table(pool.round_folder(1) / name)) for name in names] == [0, 0, 0]


def test_a_manifest_that_another_tool_wrote_keeps_all_answers(pool: Project) -> None:
    bring(pool, [1], ("x1", "ann", "cat"))
    bring(pool, [1], ("x1", "bo", "cat"))
    table = pq.read_table(pool.manifest)
    pq.write_table(table.replace_schema_metadata({b"pandas": b"{}"}), pool.manifest)
    assert len(listed(pool)) == 2
    bring(pool, [2], ("x3", "cy", "cat"))
    assert listed(pool)[-1] == ("cy", "cat", 3)


def test_rounds_that_were_undone_are_passed_over(pool: Project) -> None:
    bring(pool, [2], ("x1", "ann", "cat"))
    ledger.commit(pool, manifests.read(pool.manifest).replace(round_=1), command="test")
    assert listed(pool) == []


def test_a_damaged_file_is_named(pool: Project) -> None:
    bring(pool, [1], ("x1", "ann", "cat"))
    (pool.round_folder(1) / "votes.parquet").write_bytes(b"no")
    with pytest.raises(InputRejected, match=r"votes\.parquet cannot be read"):
        listed(pool)


def test_what_other_commands_make_of_the_manifest_keeps_the_count(image_folder: Path) -> None:
    project = Project.open(image_folder)
    run = CliRunner().invoke
    assert run(app, ["init", str(image_folder)]).exit_code == 0
    labels = image_folder.parent / "labels.csv"
    labels.write_text("file_name,label,annotator\nunlabelled/b000.png,bright,ann\n")
    assert run(app, ["import-labels", str(labels), str(image_folder)]).exit_code == 0
    draw(image_folder / "unlabelled" / "new.png", shade=90)
    (image_folder / "unlabelled" / "b001.png").unlink()
    assert run(app, ["init", str(image_folder)]).exit_code == 0
    assert run(app, ["select", "-s", "random", "-k", "3", str(image_folder)]).exit_code == 0
    assert listed(project) == [("ann", "bright", 1)]


def test_who_gave_a_label_is_on_record(pool: Project) -> None:
    """Of a and b both say cat in the end, of b only since the second delivery; c was corrected, by nobody known."""
    manifest = manifests.read(pool.manifest)
    ids = manifest.strings("alcli_id")
    labelled = manifest.replace(
        label=["cat", "cat", "dog"], annotator=["Doe, J, Roe, J", "Doe, J", None], agreement=[1.0, None, None]
    )
    votes = pa.concat_tables(
        [
            said(
                (ids[0], "Doe, J", "cat"),
                (ids[0], "Roe, J", "cat"),
                (ids[1], "Roe, J", "dog"),
                (ids[2], "x", "cat"),
            ),
            said((ids[1], "Roe, J", "cat")),
        ]
    )
    rows = np.array([2, 0, 1])
    both = {"Doe, J", "Roe, J"}
    assert votebook.givers(labelled, rows, votes) == [set(), both, both]
    assert votebook.givers(labelled, rows, votes.slice(3)) == [set(), {"Doe", "J", "Roe"}, both]


def test_whom_an_old_manifest_names(pool: Project) -> None:
    """Several are joined by commas; where only one answered, which has no agreement, the comma is theirs."""
    manifest = manifests.read(pool.manifest)
    old = manifest.replace(annotator=["ann, bo", "Doe, J", None], agreement=[0.5, None, None])
    assert votebook.named(old, np.array([0, 1, 2])) == [["ann", "bo"], ["Doe, J"], []]
    assert votebook.givers(old, np.array([0]), votebook.COLUMNS.empty_table()) == [{"ann", "bo"}]
