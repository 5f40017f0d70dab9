"""Lists that a command writes where people want them: to a file, or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alcli.commands._call import Call
from alcli.errors import UsageError
from alcli.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

STDOUT = Path("-")
Named = tuple[str, Path | None]

Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE|-", help="Write the list here.")]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="csv|jsonl|parquet", help="Of --output; default by extension."),
]
CsvSafe = Annotated[bool, typer.Option(help="Quote cells that a spreadsheet would run.")]


def check(call: Call, *outputs: Named, inputs: Sequence[Named] = (), stdout: bool = False) -> None:
    """Refuse outputs that would mix with the summary, or take the place of something else.

    Args:
        call: The command's.
        outputs: What each option is called, and where it is to write; None where nobody asked.
        inputs: What each file to be read is called, and where it is.
        stdout: Whether `-` is standard output here.

    Raises:
        UsageError: An output cannot be there.
    """
    taken = [(name, path) for name, path in inputs if path is not None]
    for option, output in outputs:
        if output is None:
            continue
        if output == STDOUT:
            _check_stdout(call, option, known=stdout)
            continue
        _check_place(call.project, option, output)
        for name, other in taken:
            if _same(output, other):
                raise UsageError(
                    f"{option} {output} is the same file as {name}", hint=f"{option} ANOTHER_FILE"
                )
        taken.append((option, output))


def _check_stdout(call: Call, option: str, *, known: bool) -> None:
    if not known:
        raise UsageError(f"{option} -: this is written to a file only", hint=f"{option} FILE")
    if call.json:
        raise UsageError(f"--json and {option} - both write to standard output", hint=f"{option} FILE --json")


def _check_place(project: Project, option: str, output: Path) -> None:
    if output.is_dir():
        raise UsageError(f"{option} {output} is a folder", hint=f"{option} {output / 'FILE'}")
    place = output.resolve()
    if place == project.manifest.resolve() or place.is_relative_to(project.home.resolve()):
        raise UsageError(f"{option} {output} is one of alcli's own files", hint="choose another place")


def _same(one: Path, other: Path) -> bool:
    """Return whether two names mean one file, by links or on a disk that does not tell upper case from lower."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


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
