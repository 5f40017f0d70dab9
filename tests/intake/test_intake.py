"""What `init` takes in: the first run, and every later one."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from alcli import intake, ledger
from alcli import manifest as manifests
from alcli.errors import CannotWrite, InputRejected, UsageError
from alcli.intake import Report, Request
from alcli.manifest import Manifest
from alcli.project import Project

Snapshot = Callable[[Path], dict[str, bytes]]


def put(pool: Path, *names: str) -> None:
    for name in names:
        (pool / name).parent.mkdir(parents=True, exist_ok=True)
        (pool / name).write_bytes(b"image")


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    folder = tmp_path / "pool"
    put(folder, "cat/1.png", "cat/deep/2.png", "dog/1.png", "unlabelled/1.png", "loose.png", "notes.txt")
    return Project.open(folder)


def take(pool: Project, *, dry_run: bool = False, **request: Any) -> Report:
    return intake.take_in(pool, Request(**request), dry_run=dry_run)


def read(pool: Project) -> Manifest:
    return manifests.read(pool.manifest)


def rows(pool: Project, *columns: str) -> dict[str | None, tuple[str | None, ...]]:
    manifest = read(pool)
    values = [manifest.strings(name) for name in columns]
    return dict(zip(manifest.strings("file_name"), zip(*values, strict=True), strict=True))


def change(pool: Project, file_name: str, **values: Any) -> None:
    manifest = read(pool)
    row = manifest.strings("file_name").index(file_name)
    with ledger.writing(pool, "test"):
        ledger.commit(pool, manifest.assign(np.array([row]), **values), command="test")


def test_labels_come_from_folders(pool: Project) -> None:
    report = take(pool, val_fraction=0)
    assert rows(pool, "label", "label_source", "split", "status") == {
        "cat/1.png": ("cat", "folder", "train", "ok"),
        "cat/deep/2.png": ("cat", "folder", "train", "ok"),
        "dog/1.png": ("dog", "folder", "train", "ok"),
        "loose.png": (None, None, "train", "ok"),
        "unlabelled/1.png": (None, None, "train", "ok"),
    }
    manifest = read(pool)
    assert manifest.table["label_round"].to_pylist() == [0, 0, 0, None, None]
    assert manifest.table["size"].to_pylist() == [5] * 5
    assert manifest.table["mtime_ns"][0].as_py() == (pool.pool / "cat/1.png").stat().st_mtime_ns
    assert (report.images, report.labelled, report.classes, report.others) == (5, 3, ("cat", "dog"), 1)
    assert report.first
    assert report.changes.new == 5


def test_nothing_is_written_beside_the_two_entries(pool: Project, snapshot: Snapshot) -> None:
    before = snapshot(pool.pool)
    take(pool)
    added = set(snapshot(pool.pool)) - set(before)
    assert {name.split("/")[0] for name in added} == {"metadata.parquet", ".alcli"}


def test_the_settings_are_left_to_fill_in_and_never_touched_again(pool: Project) -> None:
    take(pool)
    assert all(line.startswith("#") for line in pool.config.read_text().splitlines() if line)
    pool.config.write_text("seed = 3\n")
    put(pool.pool, "cat/new.png")
    take(pool)
    assert pool.config.read_text() == "seed = 3\n"


def test_classes_are_in_utf8_order_and_new_ones_at_the_end(pool: Project) -> None:
    put(pool.pool, "10/a.png", "2/a.png", "\u00e9/a.png")
    assert take(pool).classes == ("10", "2", "cat", "dog", "\u00e9")
    put(pool.pool, "ape/a.png")
    assert take(pool).classes == ("10", "2", "cat", "dog", "\u00e9", "ape")


def test_a_validation_split_is_drawn_and_kept(pool: Project) -> None:
    put(pool.pool, *(f"cat/more{number}.png" for number in range(18)))
    report = take(pool)
    assert report.drawn == report.splits["val"] == 4  # a fifth of 21 labelled images
    before = rows(pool, "split")
    assert take(pool, seed=5).drawn == 0
    assert rows(pool, "split") == before


def test_images_in_val_are_the_validation_split(pool: Project) -> None:
    put(pool.pool, *(f"val/cat/{number}.png" for number in range(3)), "test/dog/1.png")
    report = take(pool, val_fraction=0.5)
    assert (report.drawn, report.splits) == (0, {"train": 5, "val": 3, "test": 1})
    assert rows(pool, "label", "split")["test/dog/1.png"] == ("dog", "test")


def test_a_validation_split_can_be_asked_for_later(pool: Project) -> None:
    put(pool.pool, *(f"cat/more{number}.png" for number in range(18)))
    assert take(pool, val_fraction=0).splits["val"] == 0
    assert not take(pool).changed
    assert take(pool, val_fraction=0.1).splits["val"] == 2


def test_a_test_folder(pool: Project) -> None:
    take(pool, test=Path("dog"))
    assert rows(pool, "label", "split")["dog/1.png"] == (None, "test")
    for wrong in (Path("nowhere"), Path(".."), pool.pool):
        with pytest.raises(UsageError, match="no such folder in"):
            take(pool, test=wrong)


def test_labels_from_a_file(pool: Project, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,class,split,annotator\ncat/1.png,3,,eve\nloose.png,7,test,\ndog/1.png,,,\n")
    report = take(pool, labels=labels, val_fraction=0)
    assert rows(pool, "label", "label_source", "split", "annotator") == {
        "cat/1.png": ("3", "labels-file", "train", "eve"),
        "cat/deep/2.png": (None, None, "train", None),
        "dog/1.png": (None, None, "train", None),
        "loose.png": ("7", "labels-file", "test", None),
        "unlabelled/1.png": (None, None, "train", None),
    }
    assert report.classes == ("3", "7")


def test_a_file_that_is_rejected_changes_nothing(pool: Project, tmp_path: Path, snapshot: Snapshot) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\ncat/1.png,a\n../x.png,a\nnowhere.png,b\n")
    before = snapshot(pool.pool)
    with pytest.raises(InputRejected, match="2 of 3 rows cannot be taken") as caught:
        take(pool, labels=labels)
    assert [line.split(":")[0] for line in caught.value.details] == ["line 3", "line 4"]
    assert snapshot(pool.pool) == before
    assert not pool.home.exists()


def test_metadata_of_hugging_face_in_the_pool(pool: Project) -> None:
    (pool.pool / "metadata.csv").write_text("file_name,label\ncat/1.png,feline\n")
    take(pool)
    assert rows(pool, "label")["cat/1.png"] == ("feline",)
    assert read(pool).classes == ("feline",)


def test_a_metadata_parquet_of_the_user_becomes_the_manifest_and_can_come_back(pool: Project) -> None:
    table = pa.table({"file_name": ["dog/1.png", "cat/1.png"], "label": [1, 0], "camera": ["x", "y"]})
    pq.write_table(table, pool.manifest)
    theirs = pool.manifest.read_bytes()
    take(pool)
    manifest = read(pool)
    assert rows(pool, "label")["dog/1.png"] == ("1",)
    assert manifest.table["camera"].to_pylist() == ["y", None, "x", None, None]
    assert not take(pool).changed
    ledger.undo(pool)
    assert pool.manifest.read_bytes() == theirs


def test_captions_in_the_pool_go_with_labels_in_its_splits(pool: Project) -> None:
    put(pool.pool, "train/1.png", "train/2.png")
    pq.write_table(pa.table({"file_name": ["train/1.png"], "text": ["a cat"]}), pool.manifest)
    (pool.pool / "train" / "metadata.csv").write_text("file_name,label\n1.png,feline\n2.png,canine\n")
    take(pool, val_fraction=0)
    found = rows(pool, "label", "text")
    assert (found["train/1.png"], found["train/2.png"]) == (("feline", "a cat"), ("canine", None))


def test_a_parquet_file_that_is_no_metadata_is_never_written_over(pool: Project, tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1]}), pool.manifest)
    before = pool.manifest.read_bytes()
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\ncat/1.png,a\n")
    for request in ({}, {"labels": labels}):
        with pytest.raises(InputRejected, match="alcli would write over it"):
            take(pool, **request)
    assert pool.manifest.read_bytes() == before
    assert take(Project.open(pool.pool, tmp_path / "state")).images == 5


def test_a_manifest_that_is_not_parquet_is_not_written_over(pool: Project) -> None:
    pool.manifest.write_bytes(b"nonsense")
    with pytest.raises(InputRejected, match="not a Parquet file"):
        take(pool)
    assert pool.manifest.read_bytes() == b"nonsense"


def test_state_elsewhere_leaves_the_pool_alone(pool: Project, tmp_path: Path, snapshot: Snapshot) -> None:
    before = snapshot(pool.pool)
    elsewhere = Project.open(pool.pool, tmp_path / "state")
    take(elsewhere)
    assert snapshot(pool.pool) == before
    assert len(manifests.read(elsewhere.manifest)) == 5


@pytest.mark.parametrize("others", [[], ["notes.txt", "list.csv"]])
def test_no_images(tmp_path: Path, others: list[str]) -> None:
    folder = tmp_path / "pool"
    folder.mkdir()
    put(folder, *others)
    with pytest.raises(
        InputRejected, match="no images in .*" + ("2 other files" if others else "empty")
    ) as caught:
        take(Project.open(folder))
    assert caught.value.exit_code == 5
    assert sorted(path.name for path in folder.iterdir()) == sorted(others)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["1.png", "unlabelled/2.png"], "no image has a label yet"),
        (["cat/1.png", "2.png"], "all labels are 'cat'"),
        (["cat/1.png", "dog/1.png"], None),
    ],
    ids=["no labels", "one class", "classes with one image"],
)
def test_few_labels_are_taken_with_a_warning(
    tmp_path: Path, names: list[str], told: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path / "pool", *names)
    report = take(Project.open(tmp_path / "pool"))
    assert report.images == 2
    assert report.drawn == 0
    assert (told or "") in caplog.text
    assert told or not caplog.records


def test_two_paths_that_are_the_same_in_unicode(pool: Project, snapshot: Snapshot) -> None:
    put(pool.pool, "cat/caf\u00e9.png", "cat/cafe\u0301.png")
    before = snapshot(pool.pool)
    with pytest.raises(InputRejected, match="equal once Unicode is normalised"):
        take(pool)
    assert snapshot(pool.pool) == before


def test_empty_files_are_files(pool: Project) -> None:
    (pool.pool / "cat" / "empty.png").touch()
    take(pool)
    assert rows(pool, "label", "status")["cat/empty.png"] == ("cat", "ok")


def test_names_that_are_not_utf8_are_left_out_with_a_warning(
    pool: Project, caplog: pytest.LogCaptureFixture
) -> None:
    Path(os.fsdecode(os.fsencode(pool.pool) + b"/caf\xe9.png")).touch()
    report = take(pool)
    assert (report.images, report.left_out) == (5, 1)
    assert r"1 names are not UTF-8 and left out, such as 'caf\udce9.png'" in caplog.text


def test_a_disk_that_fills_up_changes_nothing(pool: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(CannotWrite, match="the disk is full"):
        take(pool)
    assert not pool.manifest.exists()


def test_a_dry_run_writes_nothing_and_says_the_same(pool: Project, snapshot: Snapshot) -> None:
    before = snapshot(pool.pool)
    planned = take(pool, dry_run=True)
    assert snapshot(pool.pool) == before
    assert take(pool) == planned


def test_a_second_run_without_changes_writes_nothing(pool: Project, snapshot: Snapshot) -> None:
    take(pool)
    before = snapshot(pool.pool)
    report = take(pool)
    assert not report.changed
    assert snapshot(pool.pool) == before


def test_new_files_are_taken_in_and_nothing_else_changes(pool: Project) -> None:
    take(pool)
    change(pool, "loose.png", label="dog", label_source="import:csv", label_round=1, queried_round=None)
    before = rows(pool, "label", "label_source", "split", "alcli_id")
    put(pool.pool, "bird/1.png", "unlabelled/2.png")
    report = take(pool)
    after = rows(pool, "label", "label_source", "split", "alcli_id")
    assert report.changes.new == 2
    assert {name: after[name] for name in before} == before
    assert after["bird/1.png"][:3] == ("bird", "folder", "train")
    assert after["unlabelled/2.png"][:3] == (None, None, "train")


def test_vanished_files_are_missing_until_they_are_back(pool: Project) -> None:
    take(pool)
    change(pool, "unlabelled/1.png", status="skipped", problem="declined: blurred")
    for name in ("cat/1.png", "unlabelled/1.png"):
        (pool.pool / name).rename(pool.pool / f"{name}.away")
    assert take(pool).changes.missing == 2
    found = rows(pool, "label", "status", "problem")
    assert found["cat/1.png"] == ("cat", "missing", "the file is gone")
    assert found["unlabelled/1.png"][1] == "missing"
    assert not take(pool).changed
    for name in ("cat/1.png", "unlabelled/1.png"):
        (pool.pool / f"{name}.away").rename(pool.pool / name)
    assert take(pool).changes.back == 2
    found = rows(pool, "label", "status", "problem")
    assert found["cat/1.png"] == ("cat", "ok", None)
    assert found["unlabelled/1.png"] == (None, "skipped", "declined: blurred")


def test_changed_files_are_read_again(pool: Project) -> None:
    take(pool)
    change(pool, "cat/1.png", sha256="0" * 64, status="unreadable", problem="truncated")
    change(pool, "dog/1.png", sha256="1" * 64)
    (pool.pool / "cat/1.png").write_bytes(b"a longer image")
    assert take(pool).changes.changed == 1
    found = rows(pool, "label", "status", "problem", "sha256")
    assert found["cat/1.png"] == ("cat", "ok", None, None)
    assert found["dog/1.png"] == ("dog", "ok", None, "1" * 64)
    assert read(pool).table["size"][0].as_py() == 14


def test_a_replaced_file_of_the_same_size_is_seen_by_its_time(pool: Project) -> None:
    take(pool)
    os.utime(pool.pool / "cat/1.png", ns=(0, 12345))
    assert take(pool).changes.changed == 1
    assert read(pool).table["mtime_ns"][0].as_py() == 12345


def test_a_file_moved_to_another_folder_is_a_new_one(pool: Project) -> None:
    take(pool)
    (pool.pool / "unlabelled/1.png").rename(pool.pool / "dog/2.png")
    report = take(pool)
    assert (report.changes.new, report.changes.missing) == (1, 1)
    assert rows(pool, "label", "status")["dog/2.png"] == ("dog", "ok")


def test_a_copy_that_spells_a_name_in_the_other_unicode_form_is_the_same_image(pool: Project) -> None:
    put(pool.pool, "cat/z\u00e9.png", "cat/ze.png")
    take(pool)
    change(pool, "cat/z\u00e9.png", label="dog")
    (pool.pool / "cat/z\u00e9.png").rename(pool.pool / unicodedata.normalize("NFD", "cat/z\u00e9.png"))
    report = take(pool)
    assert (report.changes.renamed, report.changes.new, report.changes.missing) == (1, 0, 0)
    assert rows(pool, "label", "status")["cat/ze\u0301.png"] == ("dog", "ok")


def test_a_pool_that_is_suddenly_empty_is_not_taken_for_deleted(pool: Project, tmp_path: Path) -> None:
    elsewhere = Project.open(pool.pool, tmp_path / "state")
    take(elsewhere)
    pool.pool.rename(tmp_path / "unmounted")
    pool.pool.mkdir()
    with pytest.raises(InputRejected, match="the manifest lists some") as caught:
        take(elsewhere)
    assert caught.value.hint == "is the disk mounted?"
    assert (read(elsewhere)).equals("status", "ok").all()


def test_a_labels_file_only_labels_new_images(pool: Project, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\ncat/1.png,a\n")
    take(pool, labels=labels)
    put(pool.pool, "new.png")
    labels.write_text("path,label\ncat/1.png,a\nnew.png,b\n")
    take(pool, labels=labels)
    assert rows(pool, "label")["new.png"] == ("b",)
    labels.write_text("path,label\ncat/1.png,b\ndog/1.png,a\n")
    with pytest.raises(InputRejected, match="other labels than the manifest for 2 images") as caught:
        take(pool, labels=labels)
    assert caught.value.hint == f"alcli import-labels {labels} {pool.pool}"
    assert caught.value.details[0] == "cat/1.png: 'a' in the manifest, 'b' in the file"


def test_metadata_in_the_pool_that_differs_is_only_told(
    pool: Project, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = pool.pool / "metadata.csv"
    metadata.write_text("file_name,label\ncat/1.png,a\n")
    take(pool)
    metadata.write_text("file_name,label\ncat/1.png,b\n")
    put(pool.pool, "new.png")
    assert take(pool).changes.new == 1
    assert rows(pool, "label")["cat/1.png"] == ("a",)
    assert "has other labels than the manifest for 1 images" in caplog.text


def test_another_alcli_in_between_is_taken_into_account(
    pool: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(pool)
    put(pool.pool, "cat/new.png")
    real = ledger.writing

    def busy(project: Project, command: str) -> Any:
        monkeypatch.setattr(ledger, "writing", real)
        change(pool, "loose.png", label="dog")
        return real(project, command)

    monkeypatch.setattr(ledger, "writing", busy)
    take(pool)
    assert rows(pool, "label")["loose.png"] == ("dog",)
    assert "cat/new.png" in rows(pool, "label")
