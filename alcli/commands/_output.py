"""Lists that a command writes where people want them: to a file, or to standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alcli.commands._call import Call
from alcli.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

STDOUT = Path("-")

Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE|-", help="Write the list here.")]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="csv|jsonl|parquet", help="Of --output; default by extension."),
]
CsvSafe = Annotated[bool, typer.Option(help="Quote cells that a spreadsheet would run.")]


def check(call: Call, output: Path | None, *, option: str = "--output", example: str = "list.csv") -> None:
    """Refuse an output that would mix with the summary, or take the place of alcli's own files.

    Args:
        call: The command's.
        output: Where to write; None where nobody asked.
        option: What the option is called.
        example: A file name, for hints.

    Raises:
        UsageError: The output cannot be there.
    """
    if output is None:
        return
    if output == STDOUT:
        if call.json:
            raise UsageError(
                f"--json and {option} - both write to standard output", hint=f"{option} FILE --json"
            )
        return
    place = output.resolve()
    if output.is_dir():
        raise UsageError(f"{option} {output} is a folder", hint=f"{option} {output / example}")
    if place == call.project.manifest.resolve() or place.is_relative_to(call.project.home.resolve()):
        raise UsageError(f"{option} {output} is one of alcli's own files", hint="choose another place")


def deliver(table: pa.Table, output: Path, format_: str, *, csv_safe: bool) -> None:
    """Write a list to a file, or to standard output.

    Raises:
        CannotWrite: The disk is full or read-only.
    """
    from alcli import exporters

    if output == STDOUT:
        exporters.write(table, sys.stdout.buffer, format_, csv_safe=csv_safe)
        sys.stdout.buffer.flush()  # a closed pipe is found out here, not when the program ends
    else:
        exporters.save(table, output, format_, csv_safe=csv_safe)
