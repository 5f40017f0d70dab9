"""Answers that people have written into a list and nobody has taken in: a new list must not take their place."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from alcli import ledger, summary
from alcli.errors import InputRejected, UsageError
from alcli.labelling import answers as returned
from alcli.labelling import matching
from alcli.labelling.answers import Answers
from alcli.project import Project

_LARGEST = 2**28  # bytes; no list that people fill in is larger
_BEGINNING = 2**12  # bytes, in which the header of a list stands


def count(project: Project, path: Path) -> int:
    """Return how many images that are out for labelling have an answer in a file.

    A file that is not a list with labels has none, whatever it holds; but one of alcli's lists that cannot be read any
    more may have some.

    Args:
        project: The pool.
        path: A file that may be there.

    Raises:
        StepMissing: The pool has no manifest.
        InputRejected: The manifest cannot be read, or a list of alcli's.
    """
    if not path.is_file() or path.stat().st_size > _LARGEST or not summary.read(project)["out"]:
        return 0
    answers = _read(path)
    if answers is None and _ours(path):
        raise InputRejected(
            f"{path} is a list of alcli's that cannot be read any more, and may hold answers that nobody has taken in",
            hint=f"{project.command('import-labels', shlex.quote(str(path)))} says what is wrong with it",
        )
    if answers is None or not (answers.labels >= 0).any():
        return 0
    manifest = ledger.read(project)
    rows, _ = matching.match(answers, manifest, pool=project.pool)
    answered = np.unique(rows[(rows >= 0) & (answers.labels >= 0)])
    return int(manifest.out[answered].sum())


def _read(path: Path) -> Answers | None:
    """Return the rows of a list; None if it is none."""
    for encoding in (None, "latin-1"):  # what a spreadsheet wrote: ids can be read in any code page
        try:
            return returned.read(path, encoding=encoding)
        except UsageError:
            return None
        except InputRejected:
            continue
    return None


def _ours(path: Path) -> bool:
    """Return whether a file begins as a list that alcli wrote."""
    with path.open("rb") as file:
        return b"alcli_id" in file.read(_BEGINNING)
