"""What is wrong with the rows of a labels file, and how it is told: the first ten, or all in a report."""

from __future__ import annotations

import collections
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from alcli import files, tables
from alcli.errors import InputRejected, Remedy, UsageError


class Problem(NamedTuple):
    """One row that cannot be taken.

    Attributes:
        line: Where it stands in the file, from 1.
        image: What the file calls the image.
        kind: One of `malformed row`, `unknown image`, `ambiguous image`, `unknown class`, `duplicate row`,
            `disagreement` and `conflict`.
        text: What is wrong, in words.
    """

    line: int
    image: str
    kind: str
    text: str


class Advice(NamedTuple):
    """What to do about problems.

    Attributes:
        hint: In words.
        remedies: Options that would help.
    """

    hint: str | None = None
    remedies: Sequence[Remedy] = ()


NONE = Advice()


def rejection(
    path: Path, problems: Sequence[Problem], *, rows: int, unit: str = "line", advice: Advice = NONE
) -> InputRejected:
    """Return the error that rejects a file: counts by kind, and every row in the order of the file.

    Args:
        path: The file.
        problems: At least one.
        rows: How many rows the file has.
        unit: What numbers its rows: `line` or `row`.
        advice: What to do.
    """
    kinds = collections.Counter(problem.kind for problem in problems)
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    lines = len({problem.line for problem in problems})
    return InputRejected(
        f"{path}: {lines} of {rows} rows cannot be taken, so none was: {counted}",
        hint=advice.hint,
        remedies=advice.remedies,
        details=[
            f"{unit} {line}: {image}: {text}" if image else f"{unit} {line}: {text}"
            for line, image, _, text in sorted(problems)
        ],
    )


def check_report(path: Path) -> None:
    """Check that a report can be written under this name.

    Raises:
        UsageError: The extension is neither .csv nor .jsonl.
    """
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise UsageError(f"--report {path}: the name must end in .csv or .jsonl")


def write_report(path: Path, problems: Sequence[Problem]) -> None:
    """Write every problem to a CSV or JSONL file, in order of lines."""
    entries = [problem._asdict() for problem in sorted(problems)]
    if path.suffix.lower() == ".jsonl":
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
    else:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, Problem._fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {
                name: tables.spreadsheet_safe(cell) if isinstance(cell, str) else cell
                for name, cell in entry.items()
            }
            for entry in entries
        )
        text = buffer.getvalue()
    files.write_bytes(path, text.encode())
