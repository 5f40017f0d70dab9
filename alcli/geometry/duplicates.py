"""Which images show nearly the same as another one: groups of near duplicates, each verified with its representative.

Rows are taken in order, those of `first` before all others. A row joins the first representative before it whose cosine
reaches the threshold, or else becomes a representative itself. So a chain of small steps never ties unrelated
images together, as joining neighbours to neighbours does, and the answer is exact and unique.

Representatives lie in cells around some of the rows. By the triangle inequality on angles, a row can reach none in
a cell if its angle to the middle is more than the cell's radius plus the threshold's: most cells are passed over.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli import randomness
from alcli.errors import UsageError
from alcli.geometry import distances

Singles = NDArray[np.float32]
Rows = NDArray[np.int64]

logger = logging.getLogger("alcli")

_USUAL = 0.97  # where nobody asks for another threshold
_BLOCK = 4_096  # rows compared at once
_CELLS = 4  # times √n cells
_LEAST = 25  # rows for each cell
_SAMPLED = 8  # rows for each cell, in which its middle is looked for
_MOVES = 2
_ROUNDING = 1e-5  # of a cosine in float32; nearer to the threshold it is computed again in float64
_SLACK = 2e-3  # radians: an arc cosine in float32 is that wrong near 0
_PAIRS = 100_000  # drawn to see what unrelated images look like
_DRAWS = 25  # so many times, to need little memory
_JUDGED_FROM = 1_000  # images: among fewer, a few duplicates make up 0.1 % of all pairs


class Groups(NamedTuple):
    """A partition of n images into near duplicates.

    Attributes:
        representative: (n,) int64 position of each image's representative; its own if it is one.
        similarity: (n,) float32 cosine with it; 1 for itself and for exact duplicates.
        random_similarity: The 99.9 % quantile of the cosines of random pairs; 0 where there are no pairs. A
            threshold below it does not tell duplicates from images of one kind.
        approximations: In words, why near duplicates were not looked for, if they were not.
    """

    representative: Rows
    similarity: Singles
    random_similarity: float
    approximations: list[str]


def groups(
    embeddings: NDArray[Any],
    *,
    threshold: float | None = None,
    hashes: Sequence[int] | NDArray[np.int64] | None = None,
    first: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> Groups:
    """Group near duplicates.

    Args:
        embeddings: (n, d) finite; images whose embedding is 0 are alone, unless their bytes are equal.
        threshold: Cosine from which images are near duplicates, above 0 and at most 1. None takes 0.97 if that tells
            them from images of one kind, as it does in embeddings that are not made for a few classes only; if
            not, only equal bytes count. That is judged from 1,000 images on.
        hashes: (n,) equal numbers for images of equal bytes, which are always together; -1 for unknown.
        first: (n,) images that represent their group before any other can, such as the labelled ones.
        seed: Of the cells' middles, which do not change the answer, and of the random pairs.

    Raises:
        UsageError: The threshold is out of range.
    """
    if threshold is not None and not 0 < threshold <= 1:
        raise UsageError(f"the threshold of near duplicates is {threshold}; it must be above 0 and at most 1")
    n = len(embeddings)
    order = np.arange(n) if first is None else np.concatenate([np.flatnonzero(first), np.flatnonzero(~first)])
    leader = np.arange(n) if hashes is None else _leaders(np.asarray(hashes, np.int64), order)
    order = order[leader[order] == order]  # one of each exact duplicate takes part
    points = _units(embeddings, order)
    there = np.einsum("ij,ij->i", points, points) > 0
    if not there.all():
        order, points = order[there], points[there]
    typical = _random_similarity(points, seed)
    wanted = _USUAL if threshold is None else threshold
    blind = typical >= wanted and len(points) >= _JUDGED_FROM
    by_bytes = blind and threshold is None
    if blind and not by_bytes:
        logger.warning(_blindness(typical, wanted))
    owner = np.arange(len(points)) if by_bytes else _joined(points, wanted, seed)
    representative = np.arange(n)
    representative[order] = order[owner]
    similarity = np.ones(n, np.float32)
    others = np.flatnonzero(owner != np.arange(len(owner)))
    for start in range(0, len(others), _BLOCK):
        some = others[start : start + _BLOCK]
        similarity[order[some]] = _cosines(points[some], points[owner[some]])
    untold = [f"only equal files count as duplicates: {_blindness(typical, wanted)}"] if by_bytes else []
    return Groups(representative[leader], similarity[leader], typical, untold)


def _blindness(typical: float, threshold: float) -> str:
    """Say why a threshold does not tell near duplicates."""
    return (
        f"1 in 1,000 random pairs of images has a cosine of {typical:.4f} or more, "
        f"so {threshold:g} does not tell near duplicates; a threshold above that may"
    )


def _leaders(codes: Rows, order: Rows) -> Rows:
    """Return the first row in `order` with the same code as each row; itself where that is -1."""
    leader = np.arange(len(codes))
    known = order[codes[order] >= 0]
    _, first, inverse = np.unique(codes[known], return_index=True, return_inverse=True)
    leader[known] = known[first[inverse]]
    return leader


def _units(embeddings: NDArray[Any], order: Rows) -> Singles:
    """Return rows in `order`, scaled to length 1; zeros stay zeros."""
    points = np.empty((len(order), embeddings.shape[1]), np.float32)
    for start in range(0, len(order), _BLOCK):
        block = slice(start, start + _BLOCK)
        points[block] = distances.unit(embeddings[order[block]].astype(np.float32))
    return points


def _random_similarity(points: Singles, seed: int) -> float:
    """Return the 99.9 % quantile of the cosines of random pairs of different rows."""
    n = len(points)
    if n < 2:
        return 0.0
    rng = np.random.default_rng(randomness.derive_seed(seed, "duplicates", "pairs"))
    one = rng.integers(n, size=(_DRAWS, _PAIRS // _DRAWS))
    two = (one + rng.integers(1, n, size=one.shape)) % n
    found = [_cosines(points[i], points[j]) for i, j in zip(one, two, strict=True)]
    return float(np.quantile(found, 0.999))


def _cosines(points: Singles, others: Singles) -> NDArray[np.float64]:
    """Return the cosine of each row with the same row of `others`, in float64."""
    x, y = points.astype(np.float64), others.astype(np.float64)
    dots, xx, yy = (np.einsum("ij,ij->i", a, b) for a, b in ((x, y), (x, x), (y, y)))
    return np.asarray(dots / np.sqrt(xx * yy))


def _joined(points: Singles, threshold: float, seed: int) -> Rows:
    """Return each row's representative: the first one before it that is near enough, or itself.

    Args:
        points: (n, d) of length 1.
        threshold: Cosine.
        seed: Of the cells' middles.
    """
    owner = np.arange(len(points))
    if not len(points):
        return owner
    cells = _Cells(points, threshold, seed)
    for start in range(0, len(points), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(points)))
        found = cells.first(block)
        new = block[found < 0]
        owner[block[found >= 0]] = found[found >= 0]
        owner[new] = new[_among(points[new], threshold)]
        cells.add(new[owner[new] == new])
    return owner


def _among(points: Singles, threshold: float) -> Rows:
    """Return the representatives within one block, whose rows are near none from before."""
    owner = np.arange(len(points))
    open_ = np.ones(len(points), np.bool_)
    close = points @ points.T >= threshold - _ROUNDING
    np.fill_diagonal(close, val=False)
    for row in np.flatnonzero(close.any(axis=1)):
        if not open_[row]:
            continue
        later = np.flatnonzero(close[row, row + 1 :] & open_[row + 1 :]) + row + 1
        later = later[
            _cosines(np.broadcast_to(points[row], (len(later), points.shape[1])), points[later]) >= threshold
        ]
        owner[later], open_[later] = row, False
    return owner


class _Cells:
    """Representatives, each in the cell of the nearest of some middles."""

    def __init__(self, points: Singles, threshold: float, seed: int) -> None:
        self._points = points
        self._threshold = threshold
        self._middles = _middles(points, _cell_count(len(points)), seed)
        count = len(self._middles)
        self._rows = [np.empty(0, np.int64)] * count  # ascending
        self._held = [np.empty((0, points.shape[1]), np.float32)] * count  # those points, and room for more
        self._radius = np.zeros(count)

    def first(self, rows: Rows) -> Rows:
        """Return the first representative that is near enough to each row, -1 where there is none."""
        points = self._points[rows]
        found = np.full(len(rows), len(self._points))
        for cell, some in self._reachable(points):
            mine = self._rows[cell]
            local = _first(points[some], self._held[cell][: len(mine)], self._threshold)
            met = local >= 0
            at = some[met]
            found[at] = np.minimum(found[at], mine[local[met]])
        found[found == len(self._points)] = -1
        return found

    def add(self, rows: Rows) -> None:
        """Take in representatives that come after all those before, in ascending order."""
        points = self._points[rows]
        cosines = points @ self._middles.T
        cells = cosines.argmax(axis=1)
        np.maximum.at(self._radius, cells, np.arccos(np.clip(cosines.max(axis=1), -1, 1)))
        order = np.argsort(cells, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(cells[order])) + 1):
            if len(part):
                self._append(int(cells[part[0]]), rows[part], points[part])

    def _append(self, cell: int, rows: Rows, points: Singles) -> None:
        held, count = self._held[cell], len(self._rows[cell])
        if count + len(rows) > len(held):
            self._held[cell] = np.empty((max(2 * len(held), count + len(rows)), held.shape[1]), np.float32)
            self._held[cell][:count] = held[:count]
        self._held[cell][count : count + len(rows)] = points
        self._rows[cell] = np.concatenate([self._rows[cell], rows])

    def _reachable(self, points: Singles) -> Iterator[tuple[int, Rows]]:
        """Yield each cell with the rows that may be near to one of its representatives."""
        reach = self._radius + np.arccos(self._threshold - _ROUNDING) + _SLACK
        empty = np.array([not len(rows) for rows in self._rows])
        least = np.where(empty, np.inf, np.cos(np.minimum(reach, np.pi)) - _ROUNDING).astype(np.float32)
        cells, rows = np.nonzero((points @ self._middles.T >= least).T)
        for part in np.split(np.arange(len(cells)), np.flatnonzero(np.diff(cells)) + 1):
            if len(part):
                yield int(cells[part[0]]), rows[part]


def _cell_count(n: int) -> int:
    """Return how many cells n rows are worth: more than √n, so that few hold more than one kind of image."""
    return max(1, min(_CELLS * math.isqrt(n), n // _LEAST))


def _middles(points: Singles, count: int, seed: int) -> Singles:
    """Return middles of small cells: rows of a sample far from each other, moved to the means around them."""
    rng = np.random.default_rng(randomness.derive_seed(seed, "duplicates", "cells"))
    rows = rng.choice(len(points), min(len(points), _SAMPLED * count), replace=False)
    sample = points[rows]
    middles = np.empty((count, points.shape[1]), np.float32)
    nearest = np.full(len(sample), -np.inf, np.float32)
    for i in range(count):
        middles[i] = sample[nearest.argmin()]
        np.maximum(nearest, sample @ middles[i], out=nearest)
    for _ in range(_MOVES):
        cells = np.concatenate(
            [(sample[b : b + _BLOCK] @ middles.T).argmax(axis=1) for b in range(0, len(sample), _BLOCK)]
        )
        order = np.argsort(cells, kind="stable")
        kept, first = np.unique(cells[order], return_index=True)
        middles[kept] = distances.unit(np.add.reduceat(sample[order], first, axis=0))
    return middles


def _first(points: Singles, others: Singles, threshold: float) -> Rows:
    """Return the first of `others` near enough to each row, -1 where there is none; (n, d), (m, d) -> (n,)."""
    found = np.full(len(points), -1)
    for start in range(0, len(others), _BLOCK):
        left = np.flatnonzero(found < 0)
        cosines = points[left] @ others[start : start + _BLOCK].T
        met = np.flatnonzero(cosines.max(axis=1) >= threshold - _ROUNDING)
        maybe = cosines[met] >= threshold - _ROUNDING
        at = maybe.argmax(axis=1)
        sure = cosines[met, at] >= threshold + _ROUNDING
        found[left[met[sure]]] = at[sure] + start
        for i in np.flatnonzero(~sure):
            row = left[met[i]]
            some = np.flatnonzero(maybe[i]) + start
            exact = (
                _cosines(np.broadcast_to(points[row], (len(some), points.shape[1])), others[some])
                >= threshold
            )
            if exact.any():
                found[row] = some[exact.argmax()]
    return found
