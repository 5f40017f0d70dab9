"""What the rows of a labels file say together about each image: one answer, or a problem."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alcli.labelling.answers import NAT, Answers
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
        resolve: What counts when people disagree: `error` nothing, `majority` what more people say than say
            anything else, `latest` what was said last.
    """
    answered = np.flatnonzero((rows >= 0) & (answers.labels >= 0) & ~answers.skipped)
    answered = answered[np.argsort(rows[answered], kind="stable")]
    images, starts, counts = np.unique(rows[answered], return_index=True, return_counts=True)
    chosen = answered[starts]  # the right ones where there is one row an image
    annotators = np.array([None, *answers.annotator_names], object)[answers.annotators[chosen] + 1]
    labels, times = answers.labels[chosen], answers.times[chosen]
    agreement = np.full(len(images), None, object)
    settled = np.ones(len(images), np.bool_)
    problems: list[Problem] = []
    ballots = _Ballots(answers, resolve)
    for at in np.flatnonzero(counts > 1).tolist():
        try:
            verdict = ballots.decide(answered[starts[at] : starts[at] + counts[at]].tolist())
        except _DisputedError as dispute:
            problems.append(dispute.problem)
            settled[at] = False
        else:
            labels[at], annotators[at], times[at], agreement[at] = verdict
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


class _DisputedError(Exception):
    """There is no one answer about an image."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


class _Ballots:
    """Decides what several answers about one image come to; works on lists, which are quicker one by one."""

    def __init__(self, answers: Answers, resolve: Resolve) -> None:
        self.answers = answers
        self.resolve = resolve
        self.labels: list[int] = answers.labels.tolist()
        self.people: list[int] = answers.annotators.tolist()
        self.times: list[int] = answers.times.view(np.int64).tolist()  # no time is the smallest number

    def decide(self, positions: Sequence[int]) -> tuple[int, str | None, np.datetime64, float | None]:
        """Return the label, who gave it, when the last of them did, and the share of people who did.

        Raises:
            _DisputedError: A row stands twice, or people disagree and `resolve` does not settle it.
        """
        votes = self._one_each(positions)
        label = self.labels[votes[0]]
        if any(self.labels[at] != label for at in votes):
            label = self._winner(votes)
        given = [at for at in votes if self.labels[at] == label]
        names = sorted(self.answers.annotator_names[self.people[at]] for at in given if self.people[at] >= 0)
        time = np.datetime64(max(self.times[at] for at in given), "us")
        return label, ", ".join(names) or None, time, len(given) / len(votes) if len(votes) > 1 else None

    def _one_each(self, positions: Sequence[int]) -> list[int]:
        """Return the last word of each person."""
        last: dict[int, int] = {}
        for position in positions:
            before = last.setdefault(self.people[position], position)
            if before == position:
                continue
            times = self.times[before], self.times[position]
            if self.resolve != "latest" or NAT in times or times[0] == times[1]:
                raise self._twice(before, position)
            if times[0] < times[1]:
                last[self.people[position]] = position
        return list(last.values())

    def _winner(self, votes: Sequence[int]) -> int:
        if self.resolve == "latest":
            return self._latest(votes)
        names = self.answers.label_names
        (label, most), (_, second), *_ = counts = collections.Counter(
            self.labels[at] for at in votes
        ).most_common()
        said = ", ".join(f"{count} {names[code]}" for code, count in counts)
        if self.resolve == "error":
            raise self._dispute(votes[-1], f"annotators disagree: {said}")
        if most == second:
            raise self._dispute(votes[-1], f"no majority: {said}")
        return label

    def _latest(self, votes: Sequence[int]) -> int:
        times = [self.times[at] for at in votes]
        if NAT in times:
            raise self._dispute(votes[-1], "annotators disagree, and not every row says when")
        last = {self.labels[at] for at in votes if self.times[at] == max(times)}
        if len(last) > 1:
            raise self._dispute(votes[-1], "annotators disagree, and the last ones at the same time")
        return last.pop()

    def _twice(self, before: int, position: int) -> _DisputedError:
        answers = self.answers
        by = f" by {answers.annotator_names[self.people[before]]}" if self.people[before] >= 0 else ""
        text = f"stands on {answers.unit} {answers.lines[before]} already{by}"
        text += f", as {answers.label_names[self.labels[before]]}"
        return self._dispute(position, text, kind="duplicate row")

    def _dispute(self, position: int, text: str, *, kind: str = "disagreement") -> _DisputedError:
        return _DisputedError(
            Problem(int(self.answers.lines[position]), self.answers.name(position), kind, text)
        )
