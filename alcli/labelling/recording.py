"""What a delivery adds to the record of who answered what; see `alcli.votebook`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import ledger, votebook
from alcli.labelling.answers import NAT, Answers
from alcli.manifest import Manifest
from alcli.project import Project

Positions = NDArray[np.int64]
SAID = votebook.COLUMNS.remove(votebook.COLUMNS.get_field_index("delivery"))  # what a delivery brings


def said(answers: Answers, manifest: Manifest, at: Positions, rows: Positions) -> pa.Table:
    """Return rows of a labels file as the record has them, with the columns of `SAID`.

    Args:
        answers: Rows of a labels file.
        manifest: The pool's manifest.
        at: (a,) positions of answered rows of the file.
        rows: (a,) the image of each.
    """
    times = answers.times[at]
    columns = [
        manifest.strings("alcli_id", rows),
        np.array([None, *answers.annotator_names], object)[answers.annotators[at] + 1],
        np.array([*answers.label_names, None], object)[answers.labels[at]],
        pa.array(times, pa.timestamp("us"), mask=times.view(np.int64) == NAT).cast(pa.timestamp("us", "UTC")),
    ]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, SAID, strict=True)], schema=SAID)


def votes(
    answers: Answers, manifest: Manifest, rows: Positions, record: pa.Table
) -> tuple[pa.Table, Positions]:
    """Return the answers of named annotators that are not on record, and the round of each.

    That is the round which the image is out in or came back of; 0 where there is none.

    Args:
        answers: r rows of a labels file; labels are codes.
        manifest: The pool's manifest.
        rows: (r,) the image of each; negative rows are passed over.
        record: Votes that count, oldest delivery first.
    """
    at = np.flatnonzero((rows >= 0) & (answers.labels >= 0) & (answers.annotators >= 0) & ~answers.skipped)
    at = last_said(answers, at, rows[at])
    offered = said(answers, manifest, at, rows[at])
    fresh = is_new(record, offered)
    given, sent = (
        manifest.table[name].fill_null(0).to_numpy()[rows[at][fresh]]
        for name in ("label_round", "queried_round")
    )
    return offered.filter(pa.array(fresh)), np.where(sent > 0, sent, given).astype(np.int64)


def last_said(answers: Answers, at: Positions, rows: Positions) -> Positions:
    """Return those of `at` that are each person's last answer about an image of `rows`, in the same order."""
    if not len(at):
        return at
    last: dict[tuple[int, int], int] = {}
    order = np.argsort(answers.times[at].view(np.int64), kind="stable")
    for position in order.tolist():
        last[int(rows[position]), int(answers.annotators[at[position]])] = position
    return at[np.sort(np.fromiter(last.values(), np.int64))]


def was_taken_in(project: Project, digest: str) -> bool:
    """Return whether `import-labels` took in the file with this digest, and nobody undid it."""
    return any(
        (line.get("command"), line.get("digest")) == ("import-labels", digest)
        for line in ledger.standing(project)
    )


def is_new(record: pa.Table, offered: pa.Table) -> NDArray[np.bool_]:
    """Return for each answer whether it is on record as this annotator's last word; if not, it is new.

    Args:
        record: Answers that count, oldest delivery first.
        offered: (a rows) what `said` returns.
    """
    last = {(image, name): label for image, name, label in _listed(record)}
    return np.array([last.get((i, name)) != label for i, name, label in _listed(offered)], np.bool_)


def _listed(table: pa.Table) -> list[tuple[str, str | None, str]]:
    columns = (table[name].to_pylist() for name in ("alcli_id", "annotator", "label"))
    return list(zip(*columns, strict=True))
