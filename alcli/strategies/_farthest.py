"""Farthest-first traversal, exact: a new centre is only measured against the few rows that it can change.

Three tests spare measurements, from the cheapest to the dearest. By the triangle inequality, a new centre c comes
nearer to a row x than x's owner o, the centre that x's distance was measured to, only if d(c, o) < 2 · d(x, o).
The sketch of a row, its coordinates along the pool's main directions and the length of what they leave out,
bounds its distance to c from below. Where these rule out little, as in high-dimensional noise, a matrix-vector
product over all rows does. All three leave room for the rounding of float32, so that they only ever spare work:
every distance that counts is measured from differences, in float64. So the picks are those of a plain loop over
all rows and centres in float64, whatever the order in which a matrix product adds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alcli import uncertainty
from alcli.geometry import distances
from alcli.strategies._batch import Floats, Rows, Singles

_WIDTH = 16  # main directions in a sketch
_SAMPLE = 4_096  # rows that these are taken from
_DENSE = 16  # measuring a row costs about as much as so many rows of a matrix-vector product
_RETRY = 8  # centres after which sketches that spared too little are tried again
_PAIRS = 2**22  # distances of rows to the first centres that are held at a time: 16 MiB
_EPS = float(np.finfo(np.float32).eps)


class Traversal(NamedTuple):
    """Picks in order; fewer than asked for where every row lies on a centre.

    Attributes:
        rows: (p,) distinct rows.
        scores: (p,) Euclidean: the distance of each pick to the centres before it, never rising. Of a first
            pick without any centre before it, the largest distance of a row to it.
        radius: The largest distance of a row to its nearest centre, after all picks.
        mean: The mean of these distances.
    """

    rows: Rows
    scores: Floats
    radius: float
    mean: float


def farthest_first(points: Singles, centres: Singles, k: int) -> Traversal:
    """Pick, k times, the row farthest from all centres so far; of equally far ones the smallest row.

    Args:
        points: (n, d).
        centres: (l, d) that are there already; where l is 0, the row nearest the mean comes first.
        k: At most n.
    """
    cover = Cover(points, centres, k)
    rows, scores = np.empty(k, np.int64), np.empty(k)
    done = 0
    while done < k:
        row = nearest_to_mean(points) if cover.empty else int(cover.distances.argmax())
        if cover.distances[row] == 0:
            break
        rows[done], scores[done] = row, cover.distances[row]
        cover.add(row)
        if not np.isfinite(scores[done]):
            scores[done] = cover.distances.max()
        done += 1
    found = cover.distances
    return Traversal(rows[:done], scores[:done], float(found.max()), float(found.mean()))


def nearest_to_mean(points: Singles) -> int:
    """Return the row nearest to the mean, the smallest one of equals."""
    return int(measured(points, None, points.mean(axis=0, dtype=np.float64)).argmin())


def measured(points: Singles, rows: Rows | None, centre: Singles | Floats) -> Floats:
    """Return distances to one point, measured from differences in float64: equal points are exactly 0 apart.

    Args:
        points: (n, d).
        rows: (m,) the rows to measure; None for all.
        centre: (d,).
    """
    found = np.empty(len(points) if rows is None else len(rows))
    for block in uncertainty.blocks(len(found), points.shape[1]):
        difference = np.subtract(points[block if rows is None else rows[block]], centre, dtype=np.float64)
        found[block] = np.einsum("ij,ij->i", difference, difference)
    return np.sqrt(found, out=found)


class Sketches(NamedTuple):
    """What bounds distances from below; m is the mean of the rows.

    Attributes:
        parts: (n, p + 1) the coordinates of x - m along p directions, and the length of the rest of it.
        lengths: (n,) ‖x - m‖.
    """

    parts: Singles
    lengths: Singles

    def below(self, rows: Rows | slice, part: Singles, length: np.float32) -> Singles:
        """Return lower bounds of the squared distances between rows and one more sketch; may be negative.

        ‖x - c‖² = ‖x‖² + ‖c‖² - 2x·c, where x·c is at most the product of the sketches (Cauchy-Schwarz).
        """
        lengths = self.lengths[rows]
        found = self.parts[rows] @ (-2 * part)
        found += lengths**2 + length**2
        found -= (self.parts.shape[1] + 8) * _EPS * (lengths + length) ** 2  # more than rounding takes away
        return np.asarray(found)


class _Axes:
    """The main directions of some rows, about their mean."""

    def __init__(self, points: Singles) -> None:
        self.middle = points.mean(axis=0, dtype=np.float64)
        sample = points[:: -(-len(points) // _SAMPLE)] - self.middle
        width = min(_WIDTH, points.shape[1])
        start = np.random.default_rng(0).normal(
            size=(points.shape[1], width)
        )  # of no consequence for the picks
        self.directions = np.linalg.qr(start)[0]
        for _ in range(4):  # subspace iteration; any orthonormal directions are right, these rule out most
            self.directions = np.linalg.qr(sample.T @ (sample @ self.directions))[0]

    def sketched(self, points: Singles) -> Sketches:
        n = len(points)
        parts = np.empty((n, self.directions.shape[1] + 1), np.float32)
        lengths = np.empty(n, np.float32)
        for block in uncertainty.blocks(n, points.shape[1]):
            centred = points[block] - self.middle
            along = centred @ self.directions
            squares = np.einsum("ij,ij->i", centred, centred)
            rest = squares * (1 + 1e-12) - np.einsum("ij,ij->i", along, along)  # never less than it is
            parts[block, :-1] = along
            parts[block, -1] = np.sqrt(np.maximum(rest, 0))
            lengths[block] = np.sqrt(squares)
        return Sketches(parts, lengths)


class Cover:
    """Every row's distance to its nearest centre, while rows become centres.

    Attributes:
        distances: (n,) float64; infinite while there is no centre.
    """

    def __init__(self, points: Singles, centres: Singles, room: int) -> None:
        """Start from `centres` (l, d); `room` is how many will be added."""
        axes = _Axes(points)
        self._points = points
        self._middle = axes.middle.astype(np.float32)
        self._sketches = axes.sketched(points)
        self._squares = np.square(self._sketches.lengths)
        self._longest = self._sketches.lengths.max()
        self._blunt = False  # whether bounds spared too little when last tried
        first = axes.sketched(centres)
        self._count = len(centres)
        self._centres = Sketches(
            np.concatenate([first.parts, np.empty((room, first.parts.shape[1]), np.float32)]),
            np.concatenate([first.lengths, np.empty(room, np.float32)]),
        )
        self._owner, self.distances = nearest_centres(points, centres, self._middle)

    @property
    def empty(self) -> bool:
        """Whether there is no centre yet."""
        return not self._count

    def add(self, row: int) -> None:
        """Make a row a centre."""
        rows = self._changeable(row)
        found = measured(self._points, rows, self._points[row])
        nearer = found < self.distances[rows]
        rows = rows[nearer]
        self.distances[rows] = found[nearer]
        self._owner[rows] = self._count
        self._centres.parts[self._count] = self._sketches.parts[row]
        self._centres.lengths[self._count] = self._sketches.lengths[row]
        self._count += 1

    def _changeable(self, row: int) -> Rows:
        """Return the rows that may be nearer to `row` than to their owner, ascending."""
        sketch = self._sketches.parts[row], self._sketches.lengths[row]
        many = len(self._points) // 4
        rows: Rows | slice = slice(None)
        if self._count:
            gaps = self._centres.below(slice(self._count), *sketch).astype(np.float64)
            half = np.sqrt(np.maximum(gaps, 0)) / 2
            within = np.flatnonzero(self.distances > half[self._owner])
            rows = within if len(within) < many else rows
        if isinstance(rows, slice) and self._blunt and self._count % _RETRY:
            return self._by_product(row)
        possible = self._sketches.below(rows, *sketch) < np.square(self.distances[rows])
        found = np.flatnonzero(possible) if isinstance(rows, slice) else rows[possible]
        self._blunt = len(found) * _DENSE >= len(self._points)
        return self._by_product(row) if self._blunt else found

    def _by_product(self, row: int) -> Rows:
        """Return the same rows, fewer of them, by a matrix-vector product with all rows."""
        centre = self._points[row] - self._middle
        length = self._sketches.lengths[row]
        # The rows themselves are not centred, which would take a copy of them: (x - m)·c = x·c - m·c.
        found = self._points @ (-2 * centre)
        found += self._squares
        longest = self._longest + length + np.linalg.norm(self._middle)
        slack = (len(centre) + 8) * _EPS * longest**2
        limit = np.square(self.distances)
        limit += slack - float(length) ** 2 - 2 * float(self._middle @ centre)
        return np.flatnonzero(found < limit)


def nearest_centres(points: Singles, centres: Singles, middle: Singles) -> tuple[Rows, Floats]:
    """Return each row's nearest centre, the first of equals, and the distance, measured from differences.

    Args:
        points: (n, d).
        centres: (l, d); where l is 0, distances are infinite.
        middle: (d,) what to take off both, so that products lose fewer digits.
    """
    owner, found = np.zeros(len(points), np.int64), np.full(len(points), np.inf)
    if not len(centres):
        return owner, found
    shifted = centres - middle
    longest = np.sqrt(distances.squares(shifted).max())
    step = max(1, _PAIRS // max(centres.shape))
    for start in range(0, len(points), step):
        block = slice(start, start + step)
        rows = points[block] - middle
        squares = distances.between(rows, shifted)
        slack = 2 * (rows.shape[1] + 8) * _EPS * (np.sqrt(distances.squares(rows)) + longest) ** 2
        at, among = np.nonzero(squares <= (squares.min(axis=1) + slack)[:, None])
        exact = _squares_of_pairs(points[block], at, centres, among)
        first = np.lexsort((among, exact, at))[np.searchsorted(at, np.arange(len(rows)))]
        owner[block], found[block] = among[first], np.sqrt(exact[first])
    return owner, found


def _squares_of_pairs(points: Singles, at: Rows, centres: Singles, among: Rows) -> Floats:
    found = np.empty(len(at))
    for block in uncertainty.blocks(len(at), points.shape[1]):
        difference = np.subtract(points[at[block]], centres[among[block]], dtype=np.float64)
        found[block] = np.einsum("ij,ij->i", difference, difference)
    return found
