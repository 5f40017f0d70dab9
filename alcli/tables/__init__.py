"""Tables that users and vendors write: CSV, TSV, JSONL and Parquet, read as columns of text.

Whatever the format, a cell is a text or None (there is nothing in it), and every row knows where it stands in
the file. A file that can be read in two ways is rejected with the lines concerned; nothing is guessed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from alcli.errors import InputRejected, UsageError
from alcli.tables import parquet, text
from alcli.tables.quoting import spreadsheet_safe, spreadsheet_unsafe
from alcli.tables.table import IMAGE_COLUMNS, LABEL_COLUMNS, Table, is_text

__all__ = [
    "IMAGE_COLUMNS",
    "LABEL_COLUMNS",
    "NoRows",
    "Table",
    "is_text",
    "read_table",
    "spreadsheet_safe",
    "spreadsheet_unsafe",
]

_PARQUET_MAGIC = b"PAR1"
_KINDS = {".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".tsv": "tsv"}


class NoRows(InputRejected):
    """A table has columns, and nothing in them."""


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
    table = parquet.read(path, data) if kind == "parquet" else text.read(path, data, kind, encoding)
    if not len(table):
        raise NoRows(f"{path} has no rows")
    return replace(table, kind=kind)


def _kind(path: Path, data: bytes) -> str:
    if data.startswith(_PARQUET_MAGIC):
        return "parquet"
    by_name = _KINDS.get(path.suffix.lower())
    return by_name or ("jsonl" if data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else "csv")
