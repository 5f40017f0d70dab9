"""Lists that a command writes where people want them: to a file, or to standard output."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alcli import files
from alcli.commands._call import Call
from alcli.errors import InputRejected, Remedy, UsageError
from alcli.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

    from alcli.labelling.awaited import Awaited

STDOUT = Path("-")
Named = tuple[str, Path | None]

Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE|-", help="Write the list here.")]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="csv|jsonl|parquet", help="Of --output; default by extension."),
]
CsvSafe = Annotated[bool, typer.Option(help="Quote cells that a spreadsheet would run.")]


def check(
    call: Call,
    *outputs: Named,
    inputs: Sequence[Named] = (),
    stdout: bool = False,
    pipes: bool = False,
) -> None:
    """Refuse outputs that would mix with the summary, take the place of something else, or cannot be written.

    Args:
        call: The command's.
        outputs: What each option is called, and where it is to write; None where nobody asked.
        inputs: What each file to be read is called, and where it is.
        stdout: Whether `-` is standard output here.
        pipes: Whether a pipe or a device will do.

    Raises:
        UsageError: An output cannot be there.
    """
    taken = [(name, path) for name, path in inputs if path is not None]
    for option, output in outputs:
        if output is None:
            continue
        if is_stdout(output):
            _check_stdout(call, option, output, known=stdout)
            continue
        _check_place(call.project, option, output, pipes=pipes)
        for name, other in taken:
            if _same(output, other):
                raise UsageError(
                    f"{option} {output} is the same file as {name}", hint=f"{option} ANOTHER_FILE"
                )
        taken.append((option, output))


def is_stdout(output: Path) -> bool:
    """Return whether a name means standard output, as `/dev/stdout` and the file that it goes to do."""
    if output == STDOUT:
        return True
    with contextlib.suppress(OSError):  # nothing is there, or standard output is closed
        there = output.stat()
        return os.path.samestat(there, os.fstat(1)) and not os.path.samestat(there, Path(os.devnull).stat())
    return False


def _check_stdout(call: Call, option: str, output: Path, *, known: bool) -> None:
    if not known:
        raise UsageError(f"{option} {output}: this is written to a file only", hint=f"{option} FILE")
    if call.json:
        raise UsageError(
            f"--json and {option} {output} both write to standard output", hint=f"{option} FILE --json"
        )


def _check_place(project: Project, option: str, output: Path, *, pipes: bool) -> None:
    mode = files.mode_of(output)
    if stat.S_ISDIR(mode):
        raise UsageError(f"{option} {output} is a folder", hint=f"{option} {output / 'FILE'}")
    if files.is_stream(output) and pipes:
        return
    if mode and not stat.S_ISREG(mode):
        raise UsageError(
            f"{option} {output} is not a file, and this is written to a file only", hint=f"{option} FILE"
        )
    files.require_place(output)
    place = Path(os.path.realpath(output))
    if place == project.manifest.resolve() or place.is_relative_to(project.home.resolve()):
        raise UsageError(f"{option} {output} is one of alcli's own files", hint="choose another place")


def _same(one: Path, other: Path) -> bool:
    """Return whether two names mean one file, by links or on a disk that does not tell upper case from lower."""
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return os.path.realpath(one) == os.path.realpath(other)


def format_of(output: Path | None, asked: str | None) -> str:
    """Return the format to write a list in; what has a name only because it is a pipe or a device is CSV by itself.

    Raises:
        UsageError: There is no such format, or the extension of a file says none.
    """
    from alcli import exporters

    unnamed = output is None or (not output.suffix and (is_stdout(output) or files.is_stream(output)))
    return exporters.format_of(None if unnamed else output, asked)


def keep_answers(call: Call, option: str, output: Path | None) -> None:
    """Refuse to write over what people have answered, until it is taken in.

    Args:
        call: The command's.
        option: What the output is called.
        output: Where the list is to go; None where nobody asked.

    Raises:
        StepMissing: There is no manifest.
        InputRejected: The file holds answers that nobody has taken in, as far as the pool knows.
    """
    if output is None or is_stdout(output) or not output.is_file():
        return
    from alcli.labelling import awaited

    found = awaited.count(call.project, output)
    if not found.images:
        return
    take_in = call.project.command("import-labels", shlex.quote(str(output)))
    elsewhere = output.with_stem(f"{output.stem}-2")
    raise InputRejected(
        f"{output} holds answers about {found.images} images{_whose(call, found)}: it is not written over",
        hint=None if found.strangers else f"the answers become labels: {take_in}",
        remedies=[Remedy((f"{option}={elsewhere}",), "the new list goes elsewhere")],
    )


def _whose(call: Call, found: Awaited) -> str:
    """Say why answers are kept: of images of another pool nobody knows here whether they were taken in there."""
    if not found.strangers:
        return ", and nobody has taken them in"
    if found.strangers == found.images:
        return f" that are not in {call.project.pool}"
    return f", {found.strangers} of them not in {call.project.pool}"


def deliver(table: pa.Table, output: Path, format_: str, *, csv_safe: bool) -> None:
    """Write a list to a file or a pipe, or to standard output.

    Raises:
        CannotWrite: The disk is full or read-only.
    """
    from alcli import exporters

    if is_stdout(output):
        exporters.write(table, sys.stdout.buffer, format_, csv_safe=csv_safe)
        sys.stdout.buffer.flush()  # a closed pipe is found out here, not when the program ends
    else:
        exporters.save(table, output, format_, csv_safe=csv_safe)
