"""The manifest: its file, what other tools see in it, and what is refused."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from alcli import identity
from alcli import manifest as manifests
from alcli.errors import CannotWrite, InputRejected
from alcli.manifest import COLUMNS, Manifest

NAMES = ["a/1.png", "a/2.png", "b/1.png", "u/1.png", "u/2.png"]


def build(**more: Any) -> Manifest:
    columns = {"file_name": NAMES, "size": [1, 2, 3, 4, 5], "mtime_ns": [10] * 5}
    columns["label"] = ["a", "a", "b", None, None]
    return Manifest.build({**columns, **more}, ["a", "b"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metadata.parquet"


def rewrite(path: Path, change: Any) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def test_it_has_the_columns_of_the_contract(path: Path) -> None:
    manifests.write(build(), path)
    schema = pq.read_schema(path)
    assert schema.names == [
        *("file_name", "alcli_id", "label", "label_source", "label_round", "annotator", "labelled_at"),
        *("agreement", "pseudo_label", "pseudo_confidence", "pseudo_method", "pseudo_round", "queried_round"),
        *("split", "status", "problem", "size", "mtime_ns", "sha256"),
    ]
    assert schema.field("labelled_at").type == pa.timestamp("us", tz="UTC")
    assert schema.metadata[b"alcli.schema"] == b"1"
    assert schema.metadata[b"alcli.classes"] == b'["a", "b"]'


def test_rows_are_sorted_by_utf8_bytes_whatever_order_they_came_in() -> None:
    names = ["\U0001f600.png", "b.png", "a/1.png", "\ufb01.png", "a.png"]
    manifest = Manifest.build({"file_name": names, "size": [1] * 5, "mtime_ns": [1] * 5}, [])
    assert manifest.strings("file_name") == sorted(names, key=str.encode)
    assert manifest.strings("alcli_id") == identity.alcli_ids(manifest.strings("file_name"))  # type: ignore[arg-type]


def test_writing_and_reading_gives_the_same_and_the_same_bytes(path: Path, tmp_path: Path) -> None:
    when = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    manifest = build(labelled_at=[when, *[None] * 4], queried_round=[None] * 4 + [1]).replace(round_=3)
    manifests.write(manifest, path)
    again = manifests.read(path)
    assert again.table.equals(manifest.table)
    assert (again.classes, again.round) == (("a", "b"), 3)
    manifests.write(again, tmp_path / "twice.parquet")
    assert (tmp_path / "twice.parquet").read_bytes() == path.read_bytes()


def test_pandas_reads_it(path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    manifests.write(build(), path)
    frame = pandas.read_parquet(path)
    assert frame["file_name"].tolist() == NAMES
    assert frame["label"].isna().tolist() == [False] * 3 + [True] * 2


def test_duckdb_reads_it(path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    manifests.write(build(), path)
    relation = duckdb.read_parquet(str(path)).aggregate("label, count(*)").order("label")
    assert relation.fetchall() == [("a", 2), ("b", 1), (None, 2)]


def test_what_pandas_writes_back_is_still_the_manifest(path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    manifests.write(build(queried_round=[None, None, None, 2, None]), path)
    frame = pandas.read_parquet(path)
    frame.loc[4, "label"] = "zebra"
    frame["camera"] = ["x", "y", "x", "y", "x"]
    frame.sample(frac=1, random_state=0).to_parquet(path, index=False)
    manifest = manifests.read(path)
    assert manifest.strings("file_name") == NAMES
    assert manifest.classes == ("a", "b", "zebra")  # the list is lost: what is used, in UTF-8 order
    assert manifest.round == 2
    assert manifest.table["camera"].to_pylist() == ["x", "y", "x", "y", "x"]
    assert manifests.is_manifest(path)


def test_columns_of_the_user_are_kept(path: Path) -> None:
    manifests.write(build(camera=[1, 2, 3, 4, 5]), path)
    manifest = manifests.read(path).assign(np.array([0]), split="test")
    manifests.write(manifest, path)
    assert pq.read_table(path)["camera"].to_pylist() == [1, 2, 3, 4, 5]


def test_the_order_of_classes_is_the_one_written(path: Path) -> None:
    manifests.write(build().replace(classes=["b", "a"]), path)
    manifest = manifests.read(path)
    assert manifest.classes == ("b", "a")
    assert manifest.label_codes.tolist() == [1, 1, 0, -1, -1]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 nonsense PAR1", b"file_name,label\n", b"\0" * 5000])
def test_not_parquet(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputRejected, match="is not a label manifest") as caught:
        manifests.read(path)
    assert caught.value.exit_code == 5
    assert not manifests.is_manifest(path)


@pytest.mark.parametrize("cut", [1, 8, 400])
def test_truncated(path: Path, cut: int) -> None:
    manifests.write(build(), path)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(InputRejected, match="is not a label manifest"):
        manifests.read(path)


def test_columns_are_missing(path: Path) -> None:
    manifests.write(build(), path)
    rewrite(path, lambda table: table.drop_columns(["split", "sha256"]))
    with pytest.raises(InputRejected, match="lacks the columns split, sha256"):
        manifests.read(path)
    assert manifests.read(path, ["file_name"]).strings("file_name") == NAMES


def test_rows_stand_twice(path: Path) -> None:
    manifests.write(build(), path)
    rewrite(path, lambda table: pa.concat_tables([table, table.slice(1, 2)]))
    with pytest.raises(InputRejected, match="2 images stand more than once") as caught:
        manifests.read(path)
    assert caught.value.details == ["a/2.png", "b/1.png"]


def test_a_newer_schema(path: Path) -> None:
    manifests.write(build(), path)
    rewrite(path, lambda table: table.replace_schema_metadata({"alcli.schema": "2"}))
    with pytest.raises(InputRejected, match="has schema 2; this alcli knows up to 1") as caught:
        manifests.read(path)
    assert caught.value.hint == "pip install -U alcli"


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("size", ["large"] * 5, "column size is not int64"),
        ("split", ["train"] * 4 + ["dev"], "column split holds 'dev'"),
        ("status", ["ok"] * 4 + [None], "column status holds None"),
        ("label", ["a"] * 4 + [""], "a label is empty"),
        ("alcli_id", ["1"] * 5, "column alcli_id: not an alcli id"),
        ("file_name", [*NAMES[:4], None], "1 rows have no file_name"),
    ],
)
def test_values_that_cannot_be(path: Path, column: str, values: list[Any], message: str) -> None:
    manifests.write(build(), path)
    rewrite(path, lambda table: table.set_column(table.column_names.index(column), column, pa.array(values)))
    with pytest.raises(InputRejected, match=message):
        manifests.read(path)


def test_two_paths_that_are_equal_once_normalised() -> None:
    names = ["caf\u00e9.png", "cafe\u0301.png", "x.png"]
    with pytest.raises(
        InputRejected, match="1 pairs of paths are equal once Unicode is normalised"
    ) as caught:
        Manifest.build({"file_name": names, "size": [1] * 3, "mtime_ns": [1] * 3}, [])
    assert caught.value.details == ["cafe\u0301.png and caf\u00e9.png"]


def test_a_full_disk_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifests.write(build(), path)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(CannotWrite, match="the disk is full"):
        manifests.write(build(size=[9] * 5), path)
    assert path.read_bytes() == before


def test_assign_takes_one_value_or_one_per_row_in_any_order() -> None:
    manifest = build()
    changed = manifest.assign(np.array([4, 0]), label=["x", "y"], problem="odd")
    assert changed.strings("label") == ["y", "a", "b", None, "x"]
    assert changed.strings("problem") == ["odd", None, None, None, "odd"]
    mask = np.array([False, True, False, True, False])
    assert manifest.assign(mask, size=np.array([7, 8]), label=None).strings("label") == [
        "a",
        None,
        "b",
        None,
        None,
    ]
    assert manifest.strings("label") == ["a", "a", "b", None, None]
    assert manifest.assign(np.array([], np.int64), label="x").table.equals(manifest.table)


def test_who_may_be_queried() -> None:
    manifest = build(
        split=["train", "train", "train", "train", "val"],
        status=["ok", "ok", "ok", "ok", "ok"],
        label=["a", None, None, None, None],
        queried_round=[None, 1, None, None, None],
    ).assign(np.array([2]), status="skipped")
    assert manifest.pool.tolist() == [False, True, False, True, False]
    assert manifest.queryable.tolist() == [False, False, False, True, False]
    assert manifest.readable.tolist() == [True] * 5
    assert manifest.open_rounds == [1]


def test_more_images_find_their_place(path: Path) -> None:
    manifest = build(camera=["x"] * 5).replace(round_=2)
    more = {"file_name": ["z.png", "a/0.png"], "size": [1, 1], "mtime_ns": [1, 1], "label": ["c", None]}
    longer = manifest.extended(more, ["a", "b", "c"])
    assert longer.strings("file_name") == ["a/0.png", *NAMES, "z.png"]
    assert longer.table["camera"].to_pylist() == [None, *["x"] * 5, None]
    assert (longer.classes, longer.round) == (("a", "b", "c"), 2)
    assert longer.table.schema.names[: len(COLUMNS)] == COLUMNS.names
    with pytest.raises(InputRejected, match="stand more than once"):
        manifest.extended({"file_name": ["a/1.png"], "size": [1], "mtime_ns": [1]}, [])
