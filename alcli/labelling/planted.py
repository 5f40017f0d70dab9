"""Answers to gold rows: which rows of a labels file they are, and how often each annotator was right."""

from __future__ import annotations

import collections
from collections.abc import Container
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import gold, identity
from alcli.gold import Agreement
from alcli.labelling import recording
from alcli.labelling.answers import NAT, Answers, normalised
from alcli.labelling.problems import Problem
from alcli.manifest import Manifest
from alcli.project import Project

Positions = NDArray[np.int64]
Pair = tuple[int, str | None]  # the key of an image, and who answered


@dataclass(frozen=True)
class Planted:
    """The rows of a labels file that answer gold rows.

    Attributes:
        at: (g,) their positions in the file, ascending.
        rows: (g,) rows of the manifest.
        rounds: (g,) the round that each was gold in.
        known: g labels known when they were sent.
        repeated: (g,) whether the answer is on record, and its delivery brought once more.
    """

    at: Positions
    rows: Positions
    rounds: Positions
    known: list[str]
    repeated: NDArray[np.bool_]

    def agreement(self, answers: Answers) -> list[Agreement]:
        """Return how often each annotator gave the label that was known."""
        given = [answers.label_names[code] for code in answers.labels[self.at].tolist()]
        right = [label == known for label, known in zip(given, self.known, strict=True)]
        return gold.agreement(self.annotators(answers), right)

    def annotators(self, answers: Answers) -> list[str | None]:
        """Return who gave each answer."""
        return list(np.array([None, *answers.annotator_names], object)[answers.annotators[self.at] + 1])

    def pairs(self, answers: Answers, manifest: Manifest) -> list[Pair]:
        """Return which image each answer is about, and who gave it."""
        return list(zip(manifest.keys[self.rows].tolist(), self.annotators(answers), strict=True))

    def only(self, kept: NDArray[np.bool_]) -> Planted:
        """Return those of the answers that the (g,) mask `kept` says."""
        known = [label for label, keep in zip(self.known, kept, strict=True) if keep]
        return Planted(self.at[kept], self.rows[kept], self.rounds[kept], known, self.repeated[kept])

    def last(self, answers: Answers) -> Planted:
        """Return each person's last answer to each gold row."""
        return self.only(np.isin(self.at, recording.last_said(answers, self.at, self.rows)))

    def new(self, answers: Answers, manifest: Manifest) -> tuple[pa.Table, Positions]:
        """Return those that are not on record yet, and the round of each."""
        fresh = self.only(~self.repeated)
        return recording.said(answers, manifest, fresh.at, fresh.rows), fresh.rounds

    def twice(self, answers: Answers, *, later_corrects: bool) -> list[Problem]:
        """Return a problem for every row in which a person answers a gold row a second time.

        Args:
            answers: The rows of the file.
            later_corrects: Whether the later of two answers corrects the other, where it is known which that is.
        """
        last: dict[tuple[int, int], int] = {}
        times = answers.times.view(np.int64)
        problems = []
        for at, row in zip(self.at.tolist(), self.rows.tolist(), strict=True):
            who = row, int(answers.annotators[at])
            before = last.setdefault(who, at)
            if later_corrects and NAT not in times[[before, at]] and times[before] != times[at]:
                last[who] = max(before, at, key=times.__getitem__)
            elif before != at:
                text = f"stands on {answers.unit} {answers.lines[before]} already"
                problems.append(Problem(int(answers.lines[at]), answers.name(at), "duplicate row", text))
        return problems


def find(
    project: Project, manifest: Manifest, answers: Answers, rows: Positions, *, correcting: bool
) -> Planted:
    """Find the answers to gold rows.

    An image that was sent as a gold row is one until its answer is back or it is withdrawn. From then on what a
    file says of it is a label like any other, but for two things. What is on record stays an answer wherever
    its delivery is brought once more. And another annotator's answers may come later, unless the file is to
    replace labels: with answers to other images of the round, as nobody but the owner can tell these apart.

    Args:
        project: The pool.
        manifest: Its manifest.
        answers: r rows of a labels file.
        rows: (r,) the image of each; negative where there is none.
        correcting: Whether the file is to replace labels.
    """
    standing = gold.standing(project, manifest)
    at = np.flatnonzero((rows >= 0) & (answers.labels >= 0) & ~answers.skipped) if standing else rows[:0]
    sent = [standing.get(key, (0, "")) for key in manifest.keys[rows[at]].tolist()]
    numbers, known = np.array([number for number, _ in sent], np.int64), [label for _, label in sent]
    asked = Planted(at, rows[at], numbers, known, np.zeros(len(at), np.bool_)).only(numbers > 0)
    given, out_in = (
        manifest.table[name].fill_null(0).to_numpy() for name in ("label_round", "queried_round")
    )
    out = out_in[asked.rows] == asked.rounds
    if out.all():
        return asked
    record = _Record(gold.answers(project, manifest), standing)
    repeated = ~out & record.repeats(asked, answers, manifest)
    others = rows[at][numbers == 0]
    delivered = [] if correcting else [given[others], out_in[others]]
    late = np.isin(asked.rounds, delivered) & record.lacks(asked, answers, manifest)
    return replace(asked, repeated=repeated).only(out | repeated | late)


class _Record:
    """Answers to gold rows on record, by delivery and annotator."""

    def __init__(self, table: pa.Table, standing: Container[int]) -> None:
        """Take the answers about images whose keys are in `standing`; `table` has the columns of the record."""
        self.deliveries: dict[tuple[int, str | None], dict[int, str]] = collections.defaultdict(dict)
        self.people: dict[int, set[str | None]] = collections.defaultdict(set)
        columns = (table[name].to_pylist() for name in ("annotator", "label", "delivery"))
        for key, name, label, number in zip(
            identity.keys_of(table["alcli_id"]).tolist(), *columns, strict=True
        ):
            if key in standing:
                self.deliveries[number, name][key] = normalised(label)
                self.people[key].add(name)

    def repeats(self, asked: Planted, answers: Answers, manifest: Manifest) -> NDArray[np.bool_]:
        """Return for each answer whether it is on record, of a delivery that is brought once more.

        A delivery is, as far as a person goes, where the file has an answer by this person to each gold row that
        the person answered in it. One answer alone is somebody's correction, though it be the same.
        """
        last = asked.last(answers)
        labels = [answers.label_names[code] for code in answers.labels[last.at].tolist()]
        offered = dict(zip(last.pairs(answers, manifest), labels, strict=True))
        found: set[Pair] = set()
        for (_, name), said in self.deliveries.items():
            if all((key, name) in offered for key in said):
                found.update((key, name) for key, label in said.items() if offered[key, name] == label)
        return np.array([pair in found for pair in asked.pairs(answers, manifest)], np.bool_)

    def lacks(self, asked: Planted, answers: Answers, manifest: Manifest) -> NDArray[np.bool_]:
        """Return for each answer whether it is by a named annotator who is not on record, and others are."""
        pairs = asked.pairs(answers, manifest)
        return np.array(
            [bool(name) and key in self.people and name not in self.people[key] for key, name in pairs],
            np.bool_,
        )
