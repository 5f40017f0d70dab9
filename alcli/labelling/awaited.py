"""Answers that people have written into a list and nobody has taken in: a new list must not take their place."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import files, ledger, rounds, tables, votebook
from alcli.auditing import findings
from alcli.auditing.recording import LISTING
from alcli.errors import InputRejected, UsageError
from alcli.labelling import answers as returned
from alcli.labelling import matching, merging, recording
from alcli.labelling.answers import Answers, normalised
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.tables import NoRows, Table

_LARGEST = 2**28  # bytes; no list that people fill in is larger
_BEGINNING = 2**12  # bytes, in which the header of a list stands
_COLUMNS = {*rounds.COLUMNS.names, *findings.COLUMNS.names}  # those of lists to label again are among them

Rows = NDArray[np.int64]
Said = set[tuple[str | None, str | None, str]]  # the image, who answered, and what; None is anybody


class Awaited(NamedTuple):
    """About how many images a file has an answer that the pool does not hold.

    Attributes:
        images: How many.
        strangers: How many of them are not in the pool, so that it can neither take the answers in nor know whether
            another one did.
    """

    images: int = 0
    strangers: int = 0


def count(project: Project, path: Path) -> Awaited:
    """Count the images about which a file has an answer that the pool does not hold.

    A file that is not a list with labels has none, whatever it holds; but one of alcli's lists that cannot be read any
    more may have some. Neither has a file that was taken in as it is, whatever became of its answers.

    Args:
        project: The pool.
        path: A file that may be there.

    Raises:
        StepMissing: The pool has no manifest.
        InputRejected: The manifest or the record of who answered what cannot be read, or a list of alcli's.
    """
    project.require_manifest()
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return Awaited()
    try:
        table = _table(path)
        if _lacks_labels(table):
            return Awaited()
        answers = returned.of(table)
    except (UsageError, NoRows):
        return Awaited()
    except InputRejected as error:
        if not _ours(path):
            return Awaited()
        raise InputRejected(
            f"{path} is a list of alcli's that cannot be read any more, and may hold answers that nobody has taken in",
            hint=f"{project.command('import-labels', shlex.quote(str(path)))} says what is wrong with it",
        ) from error
    says_nothing = not ((answers.labels >= 0) | answers.skipped).any()
    if says_nothing or recording.was_taken_in(project, files.file_digest(path)):
        return Awaited()
    manifest = ledger.read(project)
    answers = merging.in_whole_numbers(answers, manifest.classes, quiet=True)
    waiting = _waiting(project, manifest, answers, of_a_round=table.name("round") is not None)
    return Awaited() if waiting.images and _is_of_an_audit(project, answers) else waiting


def _waiting(project: Project, manifest: Manifest, answers: Answers, *, of_a_round: bool) -> Awaited:
    rows, problems = matching.match(answers, manifest, pool=project.pool)
    given = (answers.labels >= 0) & ~answers.skipped
    at = np.flatnonzero((rows >= 0) & given)
    at = recording.last_said(answers, at, rows[at])
    waiting = rows[at][~_held(project, manifest, answers, at, rows[at], of_a_round=of_a_round)]
    declined = np.setdiff1d(rows[(rows >= 0) & answers.skipped], rows[at])
    news = manifest.out | (manifest.equals("status", "ok") & ~manifest.labelled)
    own = len(np.union1d(waiting, declined[news[declined]]))
    said = set(answers.lines[given | answers.skipped].tolist())
    missed = {problem.image: problem.kind for problem in problems if problem.line in said}
    return Awaited(own + len(missed), sum(kind == "unknown image" for kind in missed.values()))


def _held(
    project: Project, manifest: Manifest, answers: Answers, at: Rows, rows: Rows, *, of_a_round: bool
) -> NDArray[np.bool_]:
    """Return for each of (a,) answers about the images `rows` whether the pool holds it.

    The label is one thing, who gave it another: an answer of a named person is held where this person's last word is.
    While an image is out, no answer is. What was answered and is no label, as a check withheld it, is held only against
    the list of a round: a list of images to label again asks for another opinion, though that may be the same.
    """
    label, who, ids = (manifest.strings(name, rows) for name in ("label", "annotator", "alcli_id"))
    known = _on_record(project, manifest)
    for image, name, text in zip(ids, who, label, strict=True):
        known |= {(image, name, normalised(text)), (image, None, normalised(text))} if text else set()
    said = zip(*_texts(recording.said(answers, manifest, at, rows)), strict=True)
    held = np.array([answer in known for answer in said], np.bool_)
    return held & ~manifest.out[rows] & (manifest.labelled[rows] | of_a_round)


def _on_record(project: Project, manifest: Manifest) -> Said:
    """Return everybody's last word about each image, gold rows and answers that a check withheld among them."""
    known: Said = set()
    for book in votebook.NAMES:
        last = votebook.last_words(votebook.read(project, manifest, book))
        for image, who, label in zip(*_texts(last), strict=True):
            known |= {(image, who, normalised(label)), (image, None, normalised(label))}
    return known


def _texts(table: pa.Table) -> list[list[str]]:
    return [table[name].to_pylist() for name in ("alcli_id", "annotator", "label")]


def _is_of_an_audit(project: Project, answers: Answers) -> bool:
    """Return whether all labels of a list are those that one audit found there, by now perhaps replaced by others."""
    said = _labelled(answers)
    for path in [] if answers.skipped.any() else project.audits.glob(f"[0-9]*/{LISTING}"):
        with contextlib.suppress(InputRejected):  # an empty list, or a damaged one
            if said <= _labelled(returned.of(_table(path))):
                return True
    return False


def _labelled(answers: Answers) -> set[tuple[str | None, str]]:
    labels = [*answers.label_names, ""]
    return {(image, labels[code]) for image, code in zip(answers.ids, answers.labels.tolist(), strict=True)}


def _table(path: Path) -> Table:
    try:
        return tables.read_table(path)
    except NoRows:
        raise
    except InputRejected:  # what a spreadsheet wrote: ids can be read in any code page
        return tables.read_table(path, encoding="latin-1")


def _lacks_labels(table: Table) -> bool:
    """Return whether somebody cut the column for labels from a list of alcli's, and put no other column there."""
    return table.name(*tables.LABEL_COLUMNS) is None and table.columns.keys() <= _COLUMNS


def _ours(path: Path) -> bool:
    """Return whether a file begins as a list that alcli wrote."""
    with path.open("rb") as file:
        return b"alcli_id" in file.read(_BEGINNING)
