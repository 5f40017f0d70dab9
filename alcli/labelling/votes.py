"""What the rows of a labels file say together about each image: one answer, or a problem."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alcli.labelling.answers import Answers
from alcli.labelling.problems import Problem

Resolve = Literal["error", "majority", "latest"]


@dataclass(frozen=True)
class Verdicts:
    """The answers of a file, one per image that has one.

    Attributes:
        rows: (i,) rows of the manifest, each once.
        labels: (i,) codes into the file's label names.
        lines: (i,) the line of the file that says so, the first one of several.
        annotators: (i,) who gave this label, joined by commas; None where nobody is named.
        times: (i,) when the last of them did, in UTC; NaT where unknown.
        agreement: (i,) share of the annotators who gave this label; None where there was only one.
        declined: Rows of the manifest that a person declined to answer and nobody answered.
        unanswered: How many images have an empty label only.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int32]
    lines: NDArray[np.int64]
    annotators: NDArray[np.object_]
    times: NDArray[np.datetime64]
    agreement: NDArray[np.object_]
    declined: NDArray[np.int64]
    unanswered: int


def settle(answers: Answers, rows: NDArray[np.int64], *, resolve: Resolve) -> tuple[Verdicts, list[Problem]]:
    """Bring the rows about each image together.

    A person counts once. Two rows by the same person, or by nobody in particular, are a mistake in the file,
    not two votes; only `latest` understands the later one as a correction of the earlier.

    Args:
        answers: r rows of a labels file.
        rows: (r,) the image of each, a row of the manifest; negative rows are passed over.
        resolve: What counts when people disagree: `error` nothing, `majority` what more than half, or
            more than gave any other label, say, `latest` what was said last.
    """
    answered = np.flatnonzero((rows >= 0) & (answers.labels >= 0) & ~answers.skipped)
    answered = answered[np.argsort(rows[answered], kind="stable")]
    images, starts, counts = np.unique(rows[answered], return_index=True, return_counts=True)
    chosen = answered[starts]  # the right ones where there is one row an image
    annotators = np.array([None, *answers.annotator_names], object)[answers.annotators[chosen] + 1]
    labels, times = answers.labels[chosen], answers.times[chosen]
    agreement = np.full(len(images), None, object)
    problems: list[Problem] = []
    settled = np.ones(len(images), np.bool_)
    for at in np.flatnonzero(counts > 1).tolist():
        ballot = _Ballot(answers, answered[starts[at] : starts[at] + counts[at]].tolist(), resolve)
        if ballot.problem:
            problems.append(ballot.problem)
            settled[at] = False
        else:
            labels[at], annotators[at], times[at], agreement[at] = ballot.verdict()
    silent = np.setdiff1d(rows[rows >= 0], images)
    declined = np.intersect1d(silent, rows[answers.skipped])
    verdicts = Verdicts(
        rows=images[settled],
        labels=labels[settled],
        lines=answers.lines[chosen][settled],
        annotators=annotators[settled],
        times=times[settled],
        agreement=agreement[settled],
        declined=declined,
        unanswered=len(silent) - len(declined),
    )
    return verdicts, problems


class _Ballot:
    """Several answers about one image."""

    def __init__(self, answers: Answers, positions: Sequence[int], resolve: Resolve) -> None:
        self.answers = answers
        self.resolve = resolve
        self.problem: Problem | None = None
        self.votes = self._one_each(positions)  # positions, one of each person
        self.winner = self._winner() if not self.problem else -1

    def verdict(self) -> tuple[int, str | None, np.datetime64, float | None]:
        """Return the label, who gave it, when, and the share of people who did."""
        answers = self.answers
        winners = [position for position in self.votes if answers.labels[position] == self.winner]
        names = sorted(name for position in winners if (name := answers.annotator(position)))
        times = answers.times[winners]
        known = times[~np.isnat(times)]
        share = len(winners) / len(self.votes) if len(self.votes) > 1 else None
        return self.winner, ", ".join(names) or None, known.max() if len(known) else times[0], share

    def _one_each(self, positions: Sequence[int]) -> list[int]:
        """Return the last word of each person; a repeated row is a problem unless times tell which is last."""
        last: dict[int, int] = {}
        times = self.answers.times
        for position in positions:
            who = int(self.answers.annotators[position])
            before = last.setdefault(who, position)
            if before == position:
                continue
            if self.resolve != "latest" or not (
                times[before] < times[position] or times[position] < times[before]
            ):
                self._complain(position, "duplicate row", self._twice(before))
            elif times[before] < times[position]:
                last[who] = position
        return list(last.values())

    def _winner(self) -> int:
        labels = self.answers.labels[self.votes].tolist()
        counts = collections.Counter(labels).most_common()
        if len(counts) == 1:
            return int(labels[0])
        if self.resolve == "latest":
            return self._latest()
        said = ", ".join(f"{count} {self.answers.label_names[label]}" for label, count in counts)
        if self.resolve == "error":
            self._complain(self.votes[-1], "disagreement", f"annotators disagree: {said}")
        elif counts[0][1] == counts[1][1]:
            self._complain(self.votes[-1], "disagreement", f"no majority: {said}")
        return int(counts[0][0])

    def _latest(self) -> int:
        times = self.answers.times[self.votes]
        if np.isnat(times).any():
            self._complain(self.votes[-1], "disagreement", "annotators disagree, and not every row says when")
            return -1
        last = {int(label) for label in self.answers.labels[self.votes][times == times.max()]}
        if len(last) > 1:
            self._complain(
                self.votes[-1], "disagreement", "annotators disagree, and the last ones at the same time"
            )
        return last.pop()

    def _twice(self, before: int) -> str:
        who = self.answers.annotator(before)
        by = f" by {who}" if who else ""
        label = self.answers.label_names[self.answers.labels[before]]
        return f"stands on line {self.answers.lines[before]} already{by}, as {label}"

    def _complain(self, position: int, kind: str, text: str) -> None:
        if not self.problem:
            self.problem = Problem(int(self.answers.lines[position]), self.answers.name(position), kind, text)
