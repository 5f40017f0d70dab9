"""What annotators had answered before this delivery: their votes count beside the new ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import identity, votebook
from alcli.labelling import recording
from alcli.labelling.answers import NAT, Answers
from alcli.manifest import Manifest

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Ballots:
    """The rows of a labels file, and after them the votes on record about the same images.

    Attributes:
        answers: r rows: those of the file, then those on record, whose labels are codes of the same names.
        rows: (r,) the image of each, a row of the manifest; negative rows are passed over.
        own: How many rows are of the file.
        again: Rows of the manifest that were sent out although they have a label: the votes decide.
        standing: Labels, by row of the manifest, of images about which the file says nothing new.
    """

    answers: Answers
    rows: Positions
    own: int
    again: frozenset[int] = frozenset()
    standing: dict[int, int] = field(default_factory=dict)


def alone(answers: Answers, rows: Positions) -> Ballots:
    """Return the rows of a file with nothing on record."""
    return Ballots(answers, rows, len(answers))


def gathered(answers: Answers, rows: Positions, manifest: Manifest, record: pa.Table) -> Ballots:
    """Put the votes on record beside those of a file, for images whose answers all name who gave them.

    An image that was sent out again and has no votes on record has those of whom the manifest names for its label.

    Args:
        answers: Rows of a labels file; labels are codes of the pool's classes.
        rows: (r,) the image of each.
        manifest: The pool's manifest.
        record: Votes that count, oldest delivery first.
    """
    answered = np.flatnonzero((rows >= 0) & (answers.labels >= 0) & ~answers.skipped)
    nameless = rows[answered][answers.annotators[answered] < 0]
    named = np.setdiff1d(rows[answered], nameless)
    before = named[manifest.labelled[named]]
    if not len(before):
        return alone(answers, rows)
    place = dict(zip(manifest.keys[before].tolist(), before.tolist(), strict=True))
    found = _on_record(votebook.last_words(record), place, answers.label_names)
    again = before[manifest.out[before]]
    recorded = {row for row, *_ in found}
    found += _of_manifest(
        manifest, np.array([row for row in again.tolist() if row not in recorded], np.int64)
    )
    offered = recording.said(answers, manifest, answered, rows[answered])
    news = np.unique(rows[answered][recording.is_new(record, offered)])
    settled = np.setdiff1d(before[~manifest.out[before]], news)
    standing = dict(zip(settled.tolist(), manifest.label_codes[settled].tolist(), strict=True))
    together, more = _extended(answers, found)
    return Ballots(together, np.concatenate([rows, more]), len(answers), frozenset(again.tolist()), standing)


Vote = tuple[int, str | None, int, int]  # row of the manifest, annotator, class code, time


def _on_record(record: pa.Table, place: dict[int, int], classes: list[str]) -> list[Vote]:
    codes = {name: code for code, name in enumerate(classes)}
    keys = identity.keys_of(record["alcli_id"]).tolist()
    columns = (record["annotator"].to_pylist(), record["label"].to_pylist(), _times(record["labelled_at"]))
    return [
        (place[key], name, codes[label], time)
        for key, name, label, time in zip(keys, *columns, strict=True)
        if key in place and label in codes
    ]


def _of_manifest(manifest: Manifest, rows: Positions) -> list[Vote]:
    times = _times(manifest.table["labelled_at"].take(pa.array(rows)))
    columns = (rows.tolist(), votebook.named(manifest, rows), manifest.label_codes[rows].tolist(), times)
    return [
        (row, name, code, time)
        for row, names, code, time in zip(*columns, strict=True)
        for name in names or (None,)
    ]


def _times(column: pa.ChunkedArray) -> list[int]:
    return list(column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).fill_null(NAT).to_pylist())


def _extended(answers: Answers, found: list[Vote]) -> tuple[Answers, Positions]:
    """Return the answers with the votes `found` after them, and the images of these."""
    people = {name: code for code, name in enumerate(answers.annotator_names)}
    who = [-1 if name is None else people.setdefault(name, len(people)) for _, name, _, _ in found]
    nobody = [None] * len(found)
    together = replace(
        answers,
        lines=np.concatenate([answers.lines, np.zeros(len(found), np.int64)]),
        ids=[*answers.ids, *nobody],
        images=[*answers.images, *nobody],
        sha256=[*answers.sha256, *nobody],
        labels=np.concatenate([answers.labels, np.array([code for *_, code, _ in found], np.int32)]),
        annotators=np.concatenate([answers.annotators, np.array(who, np.int32)]),
        annotator_names=list(people),
        times=np.concatenate(
            [answers.times, np.array([time for *_, time in found], np.int64).view("datetime64[us]")]
        ),
        skipped=np.concatenate([answers.skipped, np.zeros(len(found), np.bool_)]),
    )
    return together, np.array([row for row, *_ in found], np.int64)
