"""Tables that users and vendors write: CSV, TSV, JSONL and Parquet, read as columns of text.

Whatever the format, a cell is a text or None (there is nothing in it), and every row knows where it stands in
the file. A file that can be read in two ways is rejected with the lines concerned; nothing is guessed.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alcli.errors import InputRejected, UsageError

# What other tools call these columns, the likeliest first.
IMAGE_COLUMNS = (
    *("file_name", "path", "filepath", "file_path", "image_path", "filename", "filenames", "file"),
    *("image", "uri", "url", "image_url"),
)
LABEL_COLUMNS = ("label", "labels", "class_name", "class", "target", "category", "ground_truth")

_PARQUET_MAGIC, _ZIP_MAGIC = b"PAR1", b"PK\x03\x04"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_KINDS = {".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".tsv": "tsv"}
_DELIMITERS = (",", ";", "\t", "|")
_EXACT_FLOAT = 2.0**53  # whole numbers below are exact in a float64
# Spreadsheets run a cell that starts so. Apostrophes before it count, so that quoting can be undone exactly.
_RUNS = re.compile(r"'*[=+\-@\t\r]")


def spreadsheet_safe(text: str) -> str:
    """Return `text` so that a spreadsheet shows it instead of running it; `spreadsheet_unsafe` undoes it."""
    return f"'{text}" if _RUNS.match(text) else text


def spreadsheet_unsafe(text: str) -> str:
    """Return what `spreadsheet_safe` was given."""
    return text[1:] if text.startswith("'") and _RUNS.match(text) else text


@dataclass(frozen=True)
class Table:
    """A table of r rows.

    Attributes:
        path: The file.
        columns: By name as found, r cells each; None where there is nothing.
        lines: (r,) where each row stands in the file, from 1.
        unit: What `lines` counts: `line`, or `row` in a Parquet file.
        nested: Columns that hold lists or objects, and the first line where one does; they cannot be used.
        kind: `csv`, `tsv`, `jsonl` or `parquet`.
    """

    path: Path
    columns: dict[str, list[str | None]]
    lines: Sequence[int]
    unit: str = "line"
    nested: dict[str, int] = field(default_factory=dict)
    kind: str = "csv"

    def __len__(self) -> int:
        return len(self.lines)

    def name(self, *aliases: str) -> str | None:
        """Return the name of the first column that is called one of `aliases`, an earlier alias first.

        Case, blanks, hyphens and underscores do not count.

        Raises:
            InputRejected: Two columns could be meant.
        """
        for alias in aliases:
            if alias in self.columns:
                return alias
            meant = [name for name in self.columns if _plain_name(name) == _plain_name(alias)]
            if len(meant) > 1:
                both = " and ".join(map(repr, meant))
                raise InputRejected(f"{self.path}: columns {both} both mean '{alias}'")
            if meant:
                return meant[0]
        return None

    def column(self, *aliases: str) -> list[str | None] | None:
        """Return the cells of the column that `name` finds; None if there is none.

        Raises:
            InputRejected: Two columns could be meant, or the column holds lists or objects.
        """
        name = self.name(*aliases)
        if name in self.nested:
            where = f"{self.path}, {self.unit} {self.nested[name]}"
            raise InputRejected(f"{where}: column '{name}' holds a list or an object, not a text")
        return None if name is None else self.columns[name]


def read_table(path: Path, *, kind: str | None = None, encoding: str | None = None) -> Table:
    """Read a table.

    Args:
        path: The file.
        kind: `csv`, `tsv`, `jsonl` or `parquet`; None goes by the content and the extension.
        encoding: Of text files; None is UTF-8, or UTF-16 where a byte-order mark says so.

    Raises:
        UsageError: The file does not exist or cannot be read, or the encoding is unknown.
        InputRejected: The file is not what it should be; the message names the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    if not data.strip():
        raise InputRejected(f"{path} is empty")
    kind = kind or _kind(path, data)
    table = _read_parquet(path, data) if kind == "parquet" else _read_text(path, data, kind, encoding)
    if not len(table):
        raise InputRejected(f"{path} has no rows")
    return replace(table, kind=kind)


def _read_text(path: Path, data: bytes, kind: str, encoding: str | None) -> Table:
    if data.startswith(_ZIP_MAGIC):
        raise InputRejected(f"{path} is a workbook or an archive, not text", hint="save it as CSV (UTF-8)")
    text = _decoded(path, data, encoding)
    if kind == "jsonl":
        return _read_jsonl(path, text)
    return _read_csv(path, text, "\t" if kind == "tsv" else _delimiter(text))


def _plain_name(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def _kind(path: Path, data: bytes) -> str:
    if data.startswith(_PARQUET_MAGIC):
        return "parquet"
    by_name = _KINDS.get(path.suffix.lower())
    return by_name or ("jsonl" if data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else "csv")


def _decoded(path: Path, data: bytes, encoding: str | None) -> str:
    if encoding is None:
        encoding = "utf-16" if data.startswith(_UTF16_BOMS) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except LookupError as error:
        raise UsageError(f"--encoding: no encoding is called '{encoding}'") from error
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = data.count(b"\n", 0, start) + 1
        raise InputRejected(
            f"{path} is not {encoding.removesuffix('-sig').upper()}: byte 0x{data[start]:02x} on line {line}",
            hint="say how it is encoded, such as --encoding cp1252",
        ) from error
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputRejected(f"{path}, line {line}: a NUL byte; this is not a text file")
    return text


def _read_csv(path: Path, text: str, delimiter: str) -> Table:
    records = _records(path, text, delimiter)
    header = next(records, (1, [""]))[1]
    while len(header) > 1 and not header[-1]:  # spreadsheets write columns that nobody filled
        header.pop()
    names = [name.strip() for name in header]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputRejected(f"{path}: {', '.join(map(repr, twice))} stands more than once in the header")
    lines, rows, ragged = [], [], []
    for line, record in records:
        cells = record[: len(names)]
        if len(cells) < len(names) or any(record[len(names) :]):
            ragged.append(f"line {line}: {len(record)} cells")
        lines.append(line)
        rows.append(cells)
    if ragged:
        message = f"{path}: {len(ragged)} of {len(rows)} rows do not have the header's {len(names)} cells"
        raise InputRejected(message, details=ragged)
    columns = {name: [spreadsheet_unsafe(row[at]) or None for row in rows] for at, name in enumerate(names)}
    return Table(path, columns, lines)


def _delimiter(text: str) -> str:
    """Return the character that splits the header into most cells; paths below may hold any of them."""
    header = next(line for line in io.StringIO(text, newline="") if line.strip())
    return max(_DELIMITERS, key=lambda character: len(next(csv.reader([header], delimiter=character))))


def _records(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the records that are not blank, each with its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for record in reader:
            if any(record):
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"{path}, line {line}: {error}"
        raise InputRejected(message, hint="look for a quotation mark without a partner") from error


def _read_jsonl(path: Path, text: str) -> Table:
    lines: list[int] = []
    columns: dict[str, list[Any]] = {}
    for line, written in enumerate(io.StringIO(text), start=1):
        if not written.strip():
            continue
        try:
            record = json.loads(written)
        except ValueError as error:
            raise InputRejected(f"{path}, line {line}: not JSON: {error}") from error
        if not isinstance(record, dict):
            raise InputRejected(f"{path}, line {line}: not an object {{…}}", hint="one JSON object per line")
        for name in record.keys() - columns.keys():
            columns[name] = [None] * len(lines)
        for name, values in columns.items():
            values.append(record.get(name))
        lines.append(line)
    return _rendered(path, columns, lines, "line")


def _read_parquet(path: Path, data: bytes) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read()
        columns = {name: table[name].to_pylist() for name in dict.fromkeys(table.column_names)}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputRejected(f"{path} is not a Parquet file that can be read: {error}") from error
    if len(columns) < table.num_columns:
        raise InputRejected(f"{path}: a column name stands more than once")
    for name, classes in _hugging_face_classes(table.schema.metadata or {}).items():
        if name in columns:
            columns[name] = _class_names(path, name, columns[name], classes)
    return _rendered(path, columns, range(1, len(table) + 1), "row")


def _hugging_face_classes(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Return the class names of the `ClassLabel` columns that `datasets` writes as integers."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        return {name: list(kind["names"]) for name, kind in features.items() if kind["_type"] == "ClassLabel"}
    except (
        ValueError,
        AttributeError,
        KeyError,
        TypeError,
    ):  # not as `datasets` writes it: the integers stand
        return {}


def _class_names(path: Path, name: str, codes: list[Any], classes: list[str]) -> list[Any]:
    """Return the classes of codes; -1 is how `datasets` writes that there is none."""
    try:
        return [None if code is None or code == -1 else classes[range(len(classes))[code]] for code in codes]
    except (IndexError, TypeError) as error:
        raise InputRejected(f"{path}: column '{name}' holds a code that is none of its classes") from error


def _rendered(path: Path, columns: dict[str, list[Any]], lines: Sequence[int], unit: str) -> Table:
    """Return a table of texts of columns of anything."""
    nested = {}
    texts: dict[str, list[str | None]] = {}
    for name, values in columns.items():
        first = next((at for at, value in enumerate(values) if isinstance(value, list | dict | tuple)), None)
        if first is not None:
            nested[name] = lines[first]
        texts[name] = [None] * len(values) if name in nested else _texts(values)
    return Table(path, texts, lines, unit, nested)


def _texts(values: list[Any]) -> list[str | None]:
    """Return values as texts; floats that are all whole are what many tools make of integers with gaps."""
    floats = [value for value in values if isinstance(value, float) and value == value]  # noqa: PLR0124 (NaN)
    whole = all(value.is_integer() and abs(value) < _EXACT_FLOAT for value in floats)
    return [_text(value, whole=whole) for value in values]


def _text(value: Any, *, whole: bool) -> str | None:
    if isinstance(value, str):
        return value or None
    if value is None or value != value:  # noqa: PLR0124 (NaN is how pandas writes that there is nothing)
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and whole:
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
