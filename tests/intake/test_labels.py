"""Labels files: which image a row means, and everything that is wrong with rows."""

from __future__ import annotations

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from alcli.errors import InputRejected
from alcli.intake.labels import FileLabels, Source, find_metadata, read_labels

NAMES = ["cat/1.png", "cat/2.png", "caf\u00e9.png", "deep/er/3.png"]


def read(
    folder: Path, content: str, *, asked: bool = True, prefix: str = "", gone: tuple[str, ...] = ()
) -> FileLabels:
    path = folder / "labels.csv"
    path.write_text(content, encoding="utf-8")
    return read_labels([Source(path, prefix, asked)], NAMES, gone=gone)


def problems(folder: Path, content: str) -> list[str]:
    with pytest.raises(InputRejected) as caught:
        read(folder, content)
    assert caught.value.exit_code == 5
    return caught.value.details


def test_labels_stand_in_the_order_of_the_images(tmp_path: Path) -> None:
    said = read(tmp_path, "image,class\ndeep/er/3.png,dog\ncat/1.png, cat \ncat/2.png,\n")
    assert said.labels == ["cat", None, None, "dog"]
    assert len(said.sources) == 1


def test_paths_may_be_spelled_otherwise(tmp_path: Path) -> None:
    said = read(tmp_path, "path,label\n./cat//1.png,a\ncat\\2.png,b\ncafe\u0301.png,c\n")
    assert said.labels == ["a", "b", "c", None]


def test_labels_are_text_in_one_unicode_form(tmp_path: Path) -> None:
    said = read(tmp_path, "path,label\ncat/1.png,007\ncat/2.png,cafe\u0301\n")
    assert said.labels[:2] == ["007", "caf\u00e9"]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("../cat/1.png", "leads out of the pool"),
        ("cat/../../x.png", "leads out of the pool"),
        ("..\\cat\\1.png", "leads out of the pool"),
        ("/etc/passwd", "is not a path relative to the pool"),
        ("C:\\cat\\1.png", "is not a path relative to the pool"),
        ("https://host/cat/1.png", "is not a path relative to the pool"),
        ("1.png", "no image 1.png in the pool"),
        ("", "no image is named"),
    ],
)
def test_rows_that_mean_no_image(tmp_path: Path, cell: str, problem: str) -> None:
    (line,) = problems(tmp_path, f"path,label\ncat/1.png,a\n{cell},a\n")
    assert line.startswith("line 3: ")
    assert line.endswith(problem)


def test_duplicate_and_conflicting_rows(tmp_path: Path) -> None:
    found = problems(tmp_path, "path,label\ncat/1.png,a\ncat/2.png,a\n./cat/1.png,a\ncat/2.png,b\n")
    assert found == [
        "line 4: the image stands in line 2 of labels.csv too",
        "line 5: the image stands in line 3 of labels.csv too, where its label is 'a' and not 'b'",
    ]


def test_split_annotator_and_time(tmp_path: Path) -> None:
    said = read(
        tmp_path,
        "path,label,split,annotator,labelled_at\n"
        "cat/1.png,a,validation,eve,2026-01-02T03:04:05+01:00\ncat/2.png,b,,,2026-01-02\n",
    )
    assert said.splits[:2] == ["val", None]
    assert said.annotators[:2] == ["eve", None]
    assert said.times[:2] == [
        datetime.datetime(2026, 1, 2, 2, 4, 5, tzinfo=datetime.UTC),
        datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    ]


def test_cells_that_cannot_be_understood(tmp_path: Path) -> None:
    found = problems(tmp_path, "path,label,split,labelled_at\ncat/1.png,a,later,\ncat/2.png,a,,yesterday\n")
    assert found[0] == "line 2: the split is 'later'; train, val or test is expected"
    assert found[1].startswith("line 3: the time 'yesterday' is not ISO 8601")


@pytest.mark.parametrize(("header", "what"), [("path,colour", "labels"), ("colour,label", "images")])
def test_a_file_without_a_needed_column_is_rejected(tmp_path: Path, header: str, what: str) -> None:
    with pytest.raises(InputRejected, match=f"no column of {what}; it has") as caught:
        read(tmp_path, f"{header}\ncat/1.png,red\n")
    assert "call the column one of" in (caught.value.hint or "")


def test_metadata_without_labels_leaves_them_to_the_folders(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = read(tmp_path, "file_name,caption\ncat/1.png,a cat\n", asked=False)
    assert said.sources == []
    assert "labels are taken from folders" in caplog.text


def test_images_that_are_gone_may_be_named(tmp_path: Path) -> None:
    assert read(tmp_path, "path,label\nold.png,a\ncat/1.png,b\n", gone=("old.png",)).labels[0] == "b"


def test_metadata_of_hugging_face_is_found_in_the_pool_and_in_its_splits(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "metadata.jsonl").touch()
    (tmp_path / "train" / "metadata.csv").touch()
    (tmp_path / "metadata.txt").touch()
    found = find_metadata(tmp_path)
    assert [(source.path.name, source.prefix) for source in found] == [
        ("metadata.jsonl", ""),
        ("metadata.csv", "train/"),
    ]
    (tmp_path / "metadata.csv").touch()
    with pytest.raises(InputRejected, match="which one holds the labels"):
        find_metadata(tmp_path)


def test_a_manifest_of_ours_is_no_metadata_of_the_user(tmp_path: Path) -> None:
    ours = pa.table({"file_name": ["a"], "alcli_id": ["x"]}).replace_schema_metadata({"alcli.schema": "1"})
    pq.write_table(ours, tmp_path / "metadata.parquet")
    assert find_metadata(tmp_path) == []


def test_paths_of_metadata_in_a_split_are_relative_to_the_split(tmp_path: Path) -> None:
    assert read(tmp_path, "file_name,label\n1.png,a\n", prefix="cat/").labels[0] == "a"
