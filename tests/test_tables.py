"""Tables of users and vendors: every format, every way in which they are broken."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from alcli.errors import InputRejected, UsageError
from alcli.tables import Table, read_table, spreadsheet_safe, spreadsheet_unsafe
from hypothesis import given
from hypothesis import strategies as st

Write = Callable[[str | bytes], Path]
EXPECTED = {"path": ["a.jpg", "b.jpg"], "label": ["cat", None]}


@pytest.fixture
def written(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "labels.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def rejected(path: Path, **options: str) -> InputRejected:
    with pytest.raises(InputRejected) as caught:
        read_table(path, **options)
    return caught.value


@pytest.mark.parametrize(
    "content",
    [
        "path,label\na.jpg,cat\nb.jpg,\n",
        "path;label\r\na.jpg;cat\r\nb.jpg;\r\n",
        "path\tlabel\na.jpg\tcat\nb.jpg\t",
        "path|label\na.jpg|cat\nb.jpg|\n",
        "\ufeffpath,label\na.jpg,cat\nb.jpg,\n",
        '"path","label"\n"a.jpg","cat"\n"b.jpg",""\n',
        "path,label,,\na.jpg,cat,,\nb.jpg,,,\n,,,\n",
        "path,label\n\na.jpg,cat\n\n\nb.jpg,\n\n",
        b"\xff\xfe" + "path,label\na.jpg,cat\nb.jpg,\n".encode("utf-16-le"),
    ],
    ids=[
        "commas",
        "semicolons and CRLF",
        "tabs",
        "bars",
        "BOM",
        "quotes",
        "empty cells",
        "blank lines",
        "UTF-16",
    ],
)
def test_csv_as_people_and_spreadsheets_write_it(written: Write, content: str | bytes) -> None:
    assert read_table(written(content)).columns == EXPECTED


def test_lines_count_from_the_top_of_the_file_through_quoted_line_ends(written: Write) -> None:
    table = read_table(written('path,note\n"a.jpg","one\ntwo"\n\nb.jpg,x\n'))
    assert table.columns["note"] == ["one\ntwo", "x"]
    assert list(table.lines) == [2, 5]


def test_the_header_decides_on_the_delimiter(written: Write) -> None:
    table = read_table(written("path;label\na,b,c.jpg;cat\nd,e,f.jpg;dog\n"))
    assert table.columns == {"path": ["a,b,c.jpg", "d,e,f.jpg"], "label": ["cat", "dog"]}


def test_one_column_is_a_table(written: Write) -> None:
    assert read_table(written("path\na.jpg\n")).columns == {"path": ["a.jpg"]}


def test_another_encoding_is_named_by_an_option(written: Write) -> None:
    path = written("path,label\na.jpg,café\n".encode("cp1252"))
    failure = rejected(path)
    assert "byte 0xe9 on line 2" in failure.message
    assert "--encoding" in (failure.hint or "")
    assert "byte 0xe9 on line 2" in rejected(written(b"\xef\xbb\xbf" + path.read_bytes())).message
    assert read_table(path, encoding="cp1252").columns["label"] == ["café"]
    with pytest.raises(UsageError, match="no encoding is called 'klingon'"):
        read_table(path, encoding="klingon")


@pytest.mark.parametrize(
    ("content", "message", "details"),
    [
        ("", "is empty", []),
        (" \n\n", "is empty", []),
        ("path,label\n", "has no rows", []),
        ("path,label,path\na,b,c\n", "'path' stands more than once", []),
        ("path,label\na,b\na\nx,y,z\n", "2 of 3 rows", ["line 3: 1 cells", "line 4: 3 cells"]),
        ("path,label\na,b\na\0,b\n", "line 3: a NUL byte", []),
        ('path,label\na,b\n"a.jpg,b\nc,d\n', "line 3", []),
        (b"PK\x03\x04whatever", "workbook", []),
        (b"\xef\xbb\xbf", "is empty", []),
        ("\u00a0\n", "is empty", []),
        (f"{'a' * 140_000},label\na,b\n", "line 1: field larger than", []),
    ],
    ids=[
        "empty",
        "blank",
        "header only",
        "header twice",
        "ragged",
        "NUL",
        "open quote",
        "workbook",
        "BOM only",
        "no-break space",
        "long header",
    ],
)
def test_broken_csv_is_rejected_with_its_lines(
    written: Write, content: str | bytes, message: str, details: list[str]
) -> None:
    failure = rejected(written(content))
    assert message in failure.message
    assert failure.details == details
    assert failure.exit_code == 5


def test_a_file_that_is_not_there_is_a_wrong_command_line(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(UsageError, match="cannot read"):
            read_table(path)


def test_jsonl(written: Write) -> None:
    lines = ['{"path": "a.jpg", "n": 3}', "", '{"path": "b.jpg", "label": "", "ok": true, "n": null}']
    table = read_table(written("\n".join(lines), "labels.jsonl"))
    assert table.columns == {
        "path": ["a.jpg", "b.jpg"],
        "n": ["3", None],
        "label": [None, None],
        "ok": [None, "true"],
    }
    assert list(table.lines) == [1, 3]
    assert read_table(written("\ufeff" + lines[0], "labels.txt")).columns["path"] == ["a.jpg"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}\n{"a": \n', "line 2: not JSON"),
        ('{"a": 1}\n["b"]\n', "line 2: not an object"),
        ('{"a": 1}\n{"a": ' + "[" * 100_000, "line 2: not JSON: nested too deep"),
        ('{"a": 1}\n{"a": 1, "a": 2}', "line 2: not JSON: 'a' stands more than once"),
    ],
    ids=["torn", "a list", "deep", "a name twice"],
)
def test_broken_jsonl(written: Write, content: str, message: str) -> None:
    assert message in rejected(written(content, "labels.jsonl")).message


@pytest.mark.parametrize("cell", [r"\ud800", r"x\udc00y", r"a\u0000"])
def test_what_no_text_can_hold_matters_only_where_it_is_used(written: Write, cell: str) -> None:
    lines = '{"path": "a.jpg", "label": "cat"}\n{"path": "b.jpg", "label": "%s"}\n'
    table = read_table(written(lines % cell, "x.jsonl"))
    assert table.column("path") == ["a.jpg", "b.jpg"]
    with pytest.raises(InputRejected, match="line 2: column 'label' holds") as caught:
        table.column("label")
    assert str(caught.value).isascii()
    assert read_table(written(lines % r"\ud83d\ude00", "x.jsonl")).column("label") == ["cat", "\U0001f600"]


def test_an_encoding_that_knows_half_characters_brings_none_in(written: Write) -> None:
    table = read_table(written("path,label\na,+2AA-\n"), encoding="utf-7")
    with pytest.raises(InputRejected, match="line 2: column 'label' holds"):
        table.column("label")


def test_nested_values_matter_only_where_they_are_used(written: Write) -> None:
    table = read_table(
        written('{"path": "a.jpg", "box": null}\n{"path": "b.jpg", "box": [1, 2]}\n', "x.jsonl")
    )
    assert table.column("path") == ["a.jpg", "b.jpg"]
    with pytest.raises(InputRejected, match="line 2: column 'box' holds a list"):
        table.column("box")


def test_parquet_values_become_texts_without_damage(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    columns = {
        "text": pa.array(["00012", "", None]),
        "category": pa.array(["a", "b", None]).dictionary_encode(),
        "int": pa.array([3, -1, None]),
        "whole": pa.array([3.0, float("nan"), None]),
        "float": pa.array([3.0, 0.1, None]),
        "large": pa.array([2**53 + 1, 1, None], pa.int64()),
        "bool": pa.array([True, False, None]),
        "time": pa.array([datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), None, None]),
        "list": pa.array([None, [1], None]),
    }
    pq.write_table(pa.table(columns), path)
    table = read_table(path)
    assert table.columns["text"] == ["00012", None, None]
    assert table.columns["category"] == ["a", "b", None]
    assert table.columns["int"] == ["3", "-1", None]
    assert table.columns["whole"] == ["3", None, None]
    assert table.columns["float"] == ["3.0", "0.1", None]
    assert table.columns["large"] == ["9007199254740993", "1", None]
    assert table.columns["bool"] == ["true", "false", None]
    assert table.columns["time"] == ["2026-01-02T03:04:05+00:00", None, None]
    assert (table.unit, list(table.lines)) == ("row", [1, 2, 3])
    with pytest.raises(InputRejected, match="row 2: column 'list'"):
        table.column("list")


def test_class_labels_of_hugging_face_are_named(tmp_path: Path) -> None:
    path = tmp_path / "metadata.parquet"
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "n": {"_type": "Value"}}
    table = pa.table({"file_name": ["a", "b", "c"], "label": [1, 0, -1], "n": [1, 0, -1]})
    about = json.dumps({"info": {"features": features}})
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), path)
    read = read_table(path)
    assert read.columns["label"] == ["dog", "cat", None]
    assert read.columns["n"] == ["1", "0", "-1"]


@pytest.mark.parametrize(
    "about",
    ["[" * 100_000, '{"info": {"features": {"label": {"names": 5, "_type": "ClassLabel"}}}}', b"\xff"],
)
def test_metadata_that_hugging_face_did_not_write_leave_the_integers(
    tmp_path: Path, about: str | bytes
) -> None:
    path = tmp_path / "metadata.parquet"
    pq.write_table(pa.table({"label": [1, 0]}).replace_schema_metadata({"huggingface": about}), path)
    assert read_table(path).columns["label"] == ["1", "0"]


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        ([["1"], ["2"]], ["a", "a"], "a column name stands more than once"),
        ([pa.array([10**18], pa.timestamp("ms"))], ["time"], "is not a Parquet file that can be read"),
        ([pa.array([2**30], pa.date32())], ["day"], "is not a Parquet file that can be read"),
    ],
    ids=["a name twice", "a time after 9999", "a day after 9999"],
)
def test_parquet_that_cannot_be_taken(
    tmp_path: Path, columns: list[pa.Array], names: list[str], message: str
) -> None:
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table([pa.array(column) for column in columns], names=names), path)
    assert message in rejected(path).message


@pytest.mark.parametrize("content", [b"PAR1 but nothing more PAR1", b"nonsense"])
def test_parquet_that_is_none(written: Write, content: bytes) -> None:
    assert "not a Parquet file" in rejected(written(content, "labels.parquet")).message


def test_a_truncated_parquet_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"path": ["a"] * 1000}), path)
    path.write_bytes(path.read_bytes()[:-20])
    assert "not a Parquet file" in rejected(path).message


def test_the_kind_can_be_said(written: Write) -> None:
    assert read_table(written("a\tb,c\n1\t2\n"), kind="tsv").columns == {"a": ["1"], "b,c": ["2"]}


def test_columns_are_found_whatever_their_spelling(tmp_path: Path) -> None:
    table = Table(tmp_path, {"File Name": ["a"], "Class-Name": ["b"], "path": ["c"]}, [1])
    assert table.column("file_name", "path") == ["a"]
    assert table.column("label", "class_name") == ["b"]
    assert table.column("split") is None
    twins = Table(tmp_path, {"Label": ["a"], "LABEL": ["b"]}, [1])
    with pytest.raises(InputRejected, match="'Label' and 'LABEL' both mean 'label'"):
        twins.column("label")


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("-5.jpg", "'-5.jpg"),
        ("'=x", "''=x"),
        ("'tis.jpg", "'tis.jpg"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_cells_that_a_spreadsheet_would_run_are_quoted(text: str, safe: str) -> None:
    assert spreadsheet_safe(text) == safe


@given(st.text(st.sampled_from("'=+-@\t\ra"), max_size=6))
def test_quoting_can_be_undone_exactly(text: str) -> None:
    assert spreadsheet_unsafe(spreadsheet_safe(text)) == text


def test_quoting_is_undone_on_reading_csv_but_not_elsewhere(written: Write) -> None:
    assert read_table(written("path,label\n'=a.jpg,'-1\n")).columns == {"path": ["=a.jpg"], "label": ["-1"]}
    assert read_table(written('{"path": "\'=a.jpg"}', "x.jsonl")).columns == {"path": ["'=a.jpg"]}
