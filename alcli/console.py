"""What people see, all of it on standard error; standard output carries data only.

Names of files and classes are printed as text, never as Rich markup: `cats[bold].jpg` stays as it is.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from alcli.errors import AlcliError, CannotWrite
from alcli.progress import Advance

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_EVERY_S = 30.0
_SHOWN = 10
_WIDE = 240


class _Data(io.FileIO):
    """Standard output: what cannot be written is a failure like any other."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            discard(self.fileno())
            why = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise CannotWrite(
                f"cannot write to standard output: {why}", hint="send it elsewhere, such as to a file: > FILE"
            ) from error


class _Messages(io.FileIO):
    """Standard error: a message that nobody can get is no reason to stop."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError:
            return memoryview(data).nbytes


def guard_streams() -> None:
    """Let standard output fail in words where it is full or closed, and standard error be silent there."""
    # A closed one's number would go to the next file that is opened, and what is printed into that file.
    while (spare := os.open(os.devnull, os.O_RDONLY)) <= 2:
        os.set_inheritable(spare, True)  # child processes lack it otherwise
    os.close(spare)
    sys.stdout = _stream(_Data(1, "wb", closefd=False), sys.stdout, "strict")
    sys.stderr = _stream(_Messages(2, "wb", closefd=False), sys.stderr, "backslashreplace")
    sys.stderr.reconfigure(line_buffering=True)  # as Python's own, whatever it goes to


def _stream(raw: io.FileIO, before: TextIO | None, errors: str) -> io.TextIOWrapper:
    """Return a text stream in the encoding of the one before, which is None where it was closed."""
    encoding, errors = (before.encoding, before.errors or errors) if before else ("utf-8", errors)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=raw.isatty()
    )


def discard(descriptor: int) -> None:
    """Let what is still buffered for a stream go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def listen(*, quiet: bool, verbose: bool) -> None:
    """Send the program's log to standard error: warnings, notes unless `quiet`, details if `verbose`."""
    logger = logging.getLogger("alcli")
    logger.handlers = [_Handler()]
    logger.propagate = False
    logger.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)


class _Handler(logging.Handler):
    """Writes to whatever standard error is now; tests replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        _write(f"{prefix}{text}")


def error(failure: AlcliError) -> None:
    """Show a failure: what it is, the first ten things concerned, and what to do."""
    _write(f"error: {failure.message}")
    for line in failure.details[:_SHOWN]:
        _write(f"  {line}")
    if len(failure.details) > _SHOWN:
        _write(f"  … and {len(failure.details) - _SHOWN} more")
    for line in (failure.hint or "").splitlines():
        _write(f"hint: {line}")


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, data: bool = False) -> None:
    """Show a small table; columns after the first are numbers, to the right.

    Args:
        title: Above it.
        header: A name for each column.
        rows: As many cells each.
        data: It is what was asked for: it goes to standard output, and keeps its width in a file or a pipe.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(title), title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(header):
        shown.add_column(Text(name), justify="right" if number else "left")
    for row in rows:
        shown.add_row(*[Text(cell) for cell in row])
    if data:
        wide = None if sys.stdout.isatty() else _WIDE
        Console(width=wide, highlight=False).print(shown)
    else:
        stderr().print(shown)


def stderr() -> Console:
    """Return a Rich console on standard error."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False)


@contextlib.contextmanager
def progress(stage: str, total: int, done: int = 0) -> Iterator[Advance]:
    """Show how far a stage is: a bar on a terminal, else a plain line every 30 seconds."""
    quiet = logging.getLogger("alcli").level > logging.INFO
    if quiet or not sys.stderr.isatty():
        yield _plain(stage, total, done, quiet=quiet)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, TextColumn("{task.fields[note]}", markup=False), console=stderr(), transient=True
    ) as bars:
        task = bars.add_task(stage, total=total, completed=done, note="")

        def advance(count: int = 1, note: str = "") -> None:
            bars.update(task, advance=count, note=note)

        yield advance


def _plain(stage: str, total: int, earlier: int, *, quiet: bool) -> Advance:
    done, began = earlier, time.monotonic()
    spoke = began

    def advance(count: int = 1, note: str = "") -> None:
        nonlocal done, spoke
        done += count
        now = time.monotonic()
        if not quiet and now - spoke >= PLAIN_EVERY_S and done > earlier:
            left_s = (now - began) / (done - earlier) * (total - done)
            _write(f"{stage}: {done} of {total}, {left_s:.0f} s left{', ' if note else ''}{note}")
            spoke = now

    return advance


def _write(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
