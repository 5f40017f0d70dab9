"""Answers to gold rows: which rows of a labels file they are, and how often each annotator was right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import gold
from alcli.gold import Agreement
from alcli.labelling import recording
from alcli.labelling.answers import Answers
from alcli.labelling.problems import Problem
from alcli.manifest import Manifest
from alcli.project import Project

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Planted:
    """The rows of a labels file that answer gold rows.

    Attributes:
        at: (g,) their positions in the file, ascending.
        rows: (g,) rows of the manifest.
        rounds: (g,) the round that each was gold in.
        known: g labels known when they were sent.
    """

    at: Positions
    rows: Positions
    rounds: Positions
    known: list[str]

    def agreement(self, answers: Answers) -> list[Agreement]:
        """Return how often each annotator gave the label that was known."""
        names = np.array([None, *answers.annotator_names], object)[answers.annotators[self.at] + 1]
        given = [answers.label_names[code] for code in answers.labels[self.at].tolist()]
        right = [label == known for label, known in zip(given, self.known, strict=True)]
        return gold.agreement(names.tolist(), right)

    def only(self, kept: NDArray[np.bool_]) -> Planted:
        """Return those of the answers that the (g,) mask `kept` says."""
        known = [label for label, keep in zip(self.known, kept, strict=True) if keep]
        return Planted(self.at[kept], self.rows[kept], self.rounds[kept], known)

    def new(self, answers: Answers, manifest: Manifest, record: pa.Table) -> tuple[pa.Table, Positions]:
        """Return those that are not on record yet, and the round of each."""
        last = self.only(np.isin(self.at, recording.last_said(answers, self.at, self.rows)))
        offered = recording.said(answers, manifest, last.at, last.rows)
        fresh = recording.is_new(record, offered)
        return offered.filter(pa.array(fresh)), last.rounds[fresh]

    def twice(self, answers: Answers) -> list[Problem]:
        """Return a problem for every row in which a person answers a gold row a second time."""
        first: dict[tuple[int, int], int] = {}
        problems = []
        for at, row in zip(self.at.tolist(), self.rows.tolist(), strict=True):
            before = first.setdefault((row, int(answers.annotators[at])), at)
            if before != at:
                text = f"stands on {answers.unit} {answers.lines[before]} already"
                problems.append(Problem(int(answers.lines[at]), answers.name(at), "duplicate row", text))
        return problems


def find(
    project: Project, manifest: Manifest, answers: Answers, rows: Positions, *, correcting: bool
) -> Planted:
    """Find the answers to gold rows.

    An image that was sent as a gold row stays one until it is sent out again to be labelled anew. Once its answer
    is back, a file that is to replace labels may correct it: only what it said before is then passed over.

    Args:
        project: The pool.
        manifest: Its manifest.
        answers: r rows of a labels file.
        rows: (r,) the image of each; negative where there is none.
        correcting: Whether the file is to replace labels.
    """
    standing = gold.standing(project, manifest)
    at = np.flatnonzero((rows >= 0) & (answers.labels >= 0) & ~answers.skipped) if standing else rows[:0]
    sent = [standing.get(key, (-1, "")) for key in manifest.keys[rows[at]].tolist()]
    numbers = np.array([number for number, _ in sent], np.int64)
    mine = numbers > 0
    if correcting and mine.any():
        out_in = manifest.table["queried_round"].fill_null(0).to_numpy()[rows[at]]
        record = gold.answers(project, manifest)
        mine &= (out_in == numbers) | ~recording.is_new(
            record, recording.said(answers, manifest, at, rows[at])
        )
    return Planted(at, rows[at], numbers, [label for _, label in sent]).only(mine)
