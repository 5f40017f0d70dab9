"""What the rows of a labels file say together about each image: one answer, or a problem."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alcli.labelling.answers import NAT
from alcli.labelling.earlier import Ballots
from alcli.labelling.problems import Problem
from alcli.quality.votes import Votes

Resolve = Literal["error", "majority", "latest", "crowdlab"]
Weigh = Callable[[NDArray[np.int64], Votes], NDArray[np.int64]]
"""Takes (i,) rows of the manifest and the votes about them, places in it; returns (i,) class codes."""


@dataclass(frozen=True)
class Verdicts:
    """The answers of a file, one per image that has one.

    Attributes:
        rows: (i,) rows of the manifest, each once.
        labels: (i,) codes into the label names.
        lines: (i,) the line of the file that says so, the first one of several.
        annotators: (i,) who gave this label, joined by commas for people to read; None where nobody is named.
        times: (i,) when the last of them did, in UTC; NaT where unknown.
        agreement: (i,) share of the annotators who gave this label; None where there was only one.
        voted: (i,) whether votes on record before took part.
        declined: Rows of the manifest that a person declined to answer and nobody answered.
        unanswered: How many images have an empty label only.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int32]
    lines: NDArray[np.int64]
    annotators: NDArray[np.object_]
    times: NDArray[np.datetime64]
    agreement: NDArray[np.object_]
    voted: NDArray[np.bool_]
    declined: NDArray[np.int64]
    unanswered: int


def settle(
    ballots: Ballots, *, resolve: Resolve, weigh: Weigh | None = None
) -> tuple[Verdicts, list[Problem]]:
    """Bring the rows about each image together, and the votes on record beside them.

    A person counts once. Two rows by the same person, or by nobody in particular, are a mistake in the file,
    not two votes; only `latest` understands the later one as a correction of the earlier. What a person says in
    this file takes the place of what the same person said before.

    Where votes on record do not let a label be settled, they bind only if the image was sent out to be labelled
    again; else the file speaks for itself.

    Args:
        ballots: r rows of a labels file and of the record.
        resolve: What counts when people disagree: `error` nothing, `majority` what more people say than say
            anything else, `latest` what was said last, `crowdlab` what is likeliest, by people and a model.
        weigh: For `crowdlab`: what is likeliest.
    """
    answers, rows = ballots.answers, ballots.rows
    answered = np.flatnonzero((rows >= 0) & (answers.labels >= 0) & ~answers.skipped)
    answered = answered[np.argsort(rows[answered], kind="stable")]  # the file's own rows come first
    images, starts, counts = np.unique(rows[answered], return_index=True, return_counts=True)
    chosen = answered[starts]  # the right ones where there is one row an image
    annotators = np.array([None, *answers.annotator_names], object)[answers.annotators[chosen] + 1]
    labels, times = answers.labels[chosen], answers.times[chosen]
    agreement = np.full(len(images), None, object)
    settled, voted = np.ones(len(images), np.bool_), np.zeros(len(images), np.bool_)
    problems: list[Problem] = []
    count = _Count(ballots, resolve)
    if resolve == "crowdlab" and weigh is not None:
        groups = [group.tolist() for group in np.split(answered, starts[1:])] if len(images) else []
        count.weighed = count.consensus(images, groups, weigh)
    for at in np.flatnonzero(counts > 1).tolist():
        try:
            verdict = count.decide(answered[starts[at] : starts[at] + counts[at]].tolist())
        except _DisputedError as dispute:
            problems.append(dispute.problem)
            settled[at] = False
        else:
            labels[at], annotators[at], times[at], agreement[at], voted[at] = verdict
    silent = np.setdiff1d(rows[rows >= 0], images)
    declined = np.intersect1d(silent, rows[answers.skipped])
    verdicts = Verdicts(
        rows=images[settled],
        labels=labels[settled],
        lines=answers.lines[chosen][settled],
        annotators=annotators[settled],
        times=times[settled],
        agreement=agreement[settled],
        voted=voted[settled],
        declined=declined,
        unanswered=len(silent) - len(declined),
    )
    return verdicts, problems


class _DisputedError(Exception):
    """There is no one answer about an image."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


Verdict = tuple[int, str | None, np.datetime64, float | None, bool]


class _Count:
    """Decides what several answers about one image come to; works on lists, which are quicker one by one."""

    def __init__(self, ballots: Ballots, resolve: Resolve) -> None:
        self.ballots = ballots
        self.answers = ballots.answers
        self.resolve = resolve
        self.labels: list[int] = self.answers.labels.tolist()
        self.people: list[int] = self.answers.annotators.tolist()
        self.times: list[int] = self.answers.times.view(np.int64).tolist()  # no time is the smallest number
        self.weighed: dict[int, int] = {}

    def decide(self, positions: Sequence[int]) -> Verdict:
        """Return the label, who gave it, when, the share of people who did, and whether the record took part.

        Raises:
            _DisputedError: A row stands twice, or people disagree and `resolve` does not settle it.
        """
        own = self._own(positions)
        try:
            decided = self._decided(self._one_each(positions))
            backed = decided[-1] != 0  # else a label stands that none of these people gave, nor confirm
            return *decided, backed and len(own) < len(positions)
        except _DisputedError:
            if len(own) == len(positions) or self._row(own) in self.ballots.again:
                raise
        return *self._decided(self._one_each(own)), False

    def consensus(
        self, images: NDArray[np.int64], groups: Sequence[Sequence[int]], weigh: Weigh
    ) -> dict[int, int]:
        """Return the likeliest label of each image that several people answered, by row of the manifest."""
        kept = [at for at, group in enumerate(groups) if self._named(group)]
        if not any(len({self.people[p] for p in groups[at]}) > 1 for at in kept):
            return {}
        last: dict[tuple[int, int], int] = {}
        for line, at in enumerate(kept):
            for position in reversed(groups[at]):  # the file's own rows have the last word
                last[line, self.people[position]] = self.labels[position]
        lines, people = np.array(list(last)).T
        _, people = np.unique(people, return_inverse=True)
        weighed = weigh(images[kept], Votes.of(lines, people, np.array(list(last.values()))))
        return dict(zip(images[kept].tolist(), weighed.tolist(), strict=True))

    def _named(self, positions: Sequence[int]) -> bool:
        """Return whether every row of the file names who answered."""
        return all(self.people[at] >= 0 for at in self._own(positions))

    def _own(self, positions: Sequence[int]) -> list[int]:
        return [at for at in positions if at < self.ballots.own]

    def _row(self, positions: Sequence[int]) -> int:
        return int(self.ballots.rows[positions[0]])

    def _decided(self, votes: Sequence[int]) -> tuple[int, str | None, np.datetime64, float | None]:
        label = self.labels[votes[0]]
        if self.resolve == "crowdlab" and len(votes) > 1 and not self._named(votes):
            raise self._dispute(votes, _NAMELESS, kind="unknown annotator")
        if any(self.labels[at] != label for at in votes):
            label = self._winner(votes)
        given = [at for at in votes if self.labels[at] == label]
        names = sorted(self.answers.annotator_names[self.people[at]] for at in given if self.people[at] >= 0)
        time = np.datetime64(max((self.times[at] for at in given), default=NAT), "us")
        share = len(given) / len(votes) if len(votes) > 1 else None
        return label, ", ".join(names) or None, time, share

    def _one_each(self, positions: Sequence[int]) -> list[int]:
        """Return the last word of each person."""
        last: dict[int, int] = {}
        for position in positions:
            before = last.setdefault(self.people[position], position)
            if before == position or position >= self.ballots.own:  # what one said earlier counts no longer
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
        if self.resolve == "crowdlab":
            row = self._row(votes)
            return self.ballots.standing.get(row, self.weighed[row])
        names = self.answers.label_names
        (label, most), (_, second), *_ = counts = collections.Counter(
            self.labels[at] for at in votes
        ).most_common()
        said = ", ".join(f"{count} {names[code]}" for code, count in counts)
        if self.resolve == "error":
            raise self._dispute(votes, f"annotators disagree: {said}")
        if most == second:
            raise self._dispute(votes, f"no majority: {said}")
        return label

    def _latest(self, votes: Sequence[int]) -> int:
        times = [self.times[at] for at in votes]
        if NAT in times:
            own = self._own(votes)
            if len({self.labels[at] for at in own}) == 1:  # a delivery is later than what was on record
                return self.labels[own[0]]
            raise self._dispute(votes, "annotators disagree, and not every row says when")
        last = {self.labels[at] for at in votes if self.times[at] == max(times)}
        if len(last) > 1:
            raise self._dispute(votes, "annotators disagree, and the last ones at the same time")
        return last.pop()

    def _twice(self, before: int, position: int) -> _DisputedError:
        answers = self.answers
        by = f" by {answers.annotator_names[self.people[before]]}" if self.people[before] >= 0 else ""
        text = f"stands on {answers.unit} {answers.lines[before]} already{by}"
        text += f", as {answers.label_names[self.labels[before]]}"
        return self._dispute([position], text, kind="duplicate row")

    def _dispute(self, votes: Sequence[int], text: str, *, kind: str = "disagreement") -> _DisputedError:
        position = self._own(votes)[-1]
        return _DisputedError(
            Problem(int(self.answers.lines[position]), self.answers.name(position), kind, text)
        )


_NAMELESS = (
    "several people answered and one of them is not named, so that nobody knows what the answer weighs"
)
