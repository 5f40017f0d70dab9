"""Text files: what their bytes say, and CSV, TSV and JSONL."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alcli.errors import InputRejected, UsageError
from alcli.tables.quoting import spreadsheet_unsafe
from alcli.tables.table import Table, rendered

_ZIP_MAGIC = b"PK\x03\x04"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = (",", ";", "\t", "|")


def read(path: Path, data: bytes, kind: str, encoding: str | None) -> Table:
    """Read a text file of a kind: `csv`, `tsv` or `jsonl`; see `alcli.tables.read_table`."""
    if data.startswith(_ZIP_MAGIC):
        raise InputRejected(f"{path} is a workbook or an archive, not text", hint="save it as CSV (UTF-8)")
    text = _decoded(path, data, encoding)
    if not text.strip():
        raise InputRejected(f"{path} is empty")
    if kind == "jsonl":
        return _read_jsonl(path, text)
    return _read_csv(path, text, "\t" if kind == "tsv" else _delimiter(text))


def _decoded(path: Path, data: bytes, encoding: str | None) -> str:
    if encoding is None:
        encoding = "utf-16" if data.startswith(_UTF16_BOMS) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except LookupError as error:
        raise UsageError(f"--encoding: no encoding is called '{encoding}'") from error
    except UnicodeError as error:
        if isinstance(error, UnicodeDecodeError):  # counts from behind a byte-order mark
            data, start = error.object, error.start
        else:
            start = 0
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
    return max(_DELIMITERS, key=lambda character: _width(header, character))


def _width(header: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([header], delimiter=delimiter)))
    except csv.Error:  # a cell is too long, as reading the records says too, and where
        return 0


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
            record = json.loads(written, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            why = "nested too deep" if isinstance(error, RecursionError) else error
            raise InputRejected(f"{path}, line {line}: not JSON: {why}") from error
        if not isinstance(record, dict):
            raise InputRejected(f"{path}, line {line}: not an object {{…}}", hint="one JSON object per line")
        for name in record:
            if name not in columns:
                columns[name] = [None] * len(lines)
        for name, values in columns.items():
            values.append(record.get(name))
        lines.append(line)
    return rendered(path, columns, lines, "line")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; Python would keep the last of two values of one name."""
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{', '.join(map(repr, twice))} stands more than once")
    return record
