"""Who said which class of which row; held as single votes, for of a thousand annotators a few answer any one row."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


class Answers(NamedTuple):
    """The a different answers about rows, in order of row and class.

    Attributes:
        rows: (a,) row that each is about; n rows, each has one answer or more.
        codes: (a,) class.
        voices: (a,) how many annotators gave it.
        of: (v,) which of them each vote is.
        starts: (n,) first answer about each row.
    """

    rows: Codes
    codes: Codes
    voices: Codes
    of: Codes
    starts: Codes

    def best(self, *levels: NDArray[Any]) -> Codes:
        """Return (n,) the class of each row's answer that is highest in the first level, of equals in the next.

        Each level is (a,); of answers that are equal in all, the smallest class is taken.
        """
        left = np.ones(len(self.rows), np.bool_)
        for level in levels:
            among = np.where(left, level, -np.inf)
            left &= among == np.maximum.reduceat(among, self.starts)[self.rows]
        first = np.where(left, np.arange(len(left)), len(left))
        return self.codes[np.minimum.reduceat(first, self.starts)]


@dataclass(frozen=True)
class Votes:
    """The v votes of m annotators about n rows, in order of row and annotator; see `of`.

    Attributes:
        rows: (v,) row that each is about. Every row has a vote.
        people: (v,) annotator who cast it, from 0 to m - 1. Each cast one vote or more, and one about any row.
        codes: (v,) class that it is for.
    """

    rows: Codes
    people: Codes
    codes: Codes

    @classmethod
    def of(cls, rows: NDArray[Any], people: NDArray[Any], codes: NDArray[Any]) -> Votes:
        """Put votes in order, so that what follows from them does not depend on the order they came in."""
        order = np.lexsort((people, rows))
        return cls(*(np.asarray(column, np.int64)[order] for column in (rows, people, codes)))

    @functools.cached_property
    def counts(self) -> Codes:
        """(n,) how many votes each row has."""
        return np.bincount(self.rows)

    @property
    def several(self) -> NDArray[np.bool_]:
        """(n,) which rows have two votes or more."""
        return self.counts > 1

    def answers(self, classes: int) -> Answers:
        """Return the different answers about each row; codes are below `classes`."""
        found, of, voices = np.unique(
            self.rows * classes + self.codes, return_inverse=True, return_counts=True
        )
        rows = found // classes
        return Answers(rows, found % classes, voices, of, np.searchsorted(rows, np.arange(len(self.counts))))

    def per_row(self, values: NDArray[Any]) -> Floats:
        """Sum (v,) values by row; (n,)."""
        return np.asarray(np.bincount(self.rows, values), np.float64)

    def per_person(self, values: NDArray[Any]) -> Floats:
        """Sum (v,) values by annotator; (m,)."""
        return np.asarray(np.bincount(self.people, values), np.float64)

    def within(self, block: slice) -> tuple[slice, Codes]:
        """Return which votes are about the rows of `block`, and at which place of it each is."""
        first, last = np.searchsorted(self.rows, [block.start, block.stop]).tolist()
        return slice(first, last), self.rows[first:last] - block.start
