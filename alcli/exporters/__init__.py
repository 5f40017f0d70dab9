"""Exporters: a selection written for people or for a labelling tool, one file each.

An exporter is a function `name(table, sink, *, options)`: it writes the rows of `table`, which has the
columns of `alcli.rounds.COLUMNS`, to `sink`, an open binary file. The same table gives the same bytes.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from alcli import files, plugins
from alcli.errors import UsageError


def names() -> list[str]:
    """Return the names of the formats."""
    return plugins.names(__name__)


def format_of(path: Path | None, asked: str | None) -> str:
    """Return the format to write `path` in: the one asked for, else the one its extension says, else CSV.

    Args:
        path: The file to write; None where it goes to standard output.
        asked: `--format`.

    Raises:
        UsageError: There is no such format, or the extension says none.
    """
    if asked is not None:
        plugins.load(__name__, asked, kind="format")
        return asked
    if path is None:
        return "csv"
    extension = path.suffix.removeprefix(".").lower()
    if extension not in names():
        raise UsageError(
            f"the extension of {path} names no format", hint=f"--format {'|'.join(names())} says which it is"
        )
    return extension


def write(table: pa.Table, sink: BinaryIO, format_: str, **options: Any) -> None:
    """Write a selection to an open file.

    Args:
        table: The selection, with the columns of `alcli.rounds.COLUMNS`.
        sink: An open binary file.
        format_: The exporter's name.
        options: Those that the exporter does not know, such as `csv_safe` for Parquet, are left out.

    Raises:
        UsageError: There is no such format.
    """
    exporter = plugins.load(__name__, format_, kind="format")
    known = inspect.signature(exporter).parameters
    exporter(table, sink, **{name: value for name, value in options.items() if name in known})


def save(table: pa.Table, path: Path, format_: str, **options: Any) -> None:
    """Write a selection to a file, whole or not at all, or to a pipe; the arguments are those of `write`.

    Raises:
        CannotWrite: The disk is full or read-only.
    """
    with files.opened(path) as sink:
        write(table, sink, format_, **options)
