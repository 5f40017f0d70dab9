"""k-means++ seeding over last-layer gradients that are never written out.

The gradient of an image is g = a ⊗ h, with a = p - onehot(argmax p) and h its embedding; so ⟨g, g'⟩ = (a·a')(h·h')
and k-means++ (Arthur & Vassilvitskii, 2007) needs K + D numbers of an image instead of K · D (Zhang et al., 2023,
arXiv:2306.09910, appendix D).

A new centre c is compared only with images that it could be nearer to than their own centre o. Gradients lie
in a Hilbert space, so D(x, c) ≥ D(c, o) - D(x, o): where D(x, o) ≤ D(c, o) / 2 nothing changes. Of what is left,
a·a' and the lengths of h bound D(x, c) from below, by more than | ‖g_x‖ - ‖g_c‖ | does; next comes ⟨g, g'⟩ in
float32 with a bound of its rounding, and only where that is not enough the distance itself, in float64. What is
skipped could not have changed a distance; so the distances, and with them the draws, are those of the plain loop.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Rows = NDArray[np.intp]

BLOCK = 256  # rows whose weights are summed up together: what a draw looks at is n / 256 sums and one block
CLOSE = 1e-6  # share of ‖g‖² + ‖g'‖² below which a squared distance is measured from differences
_HALF_ULP = 2.0**-24  # of float32
_GATHERED = 2**18  # numbers that are gathered at a time: 1 MiB of float32, which stays in the cache
_SCANNED = 2**16  # rows that are looked over at a time, for the same reason


class Seeding(Protocol):
    """Squared distances D² of n points to the nearest centre so far; infinite before there is one.

    Attributes:
        norms: (n,) ‖g‖².
    """

    norms: Floats

    def add(self, row: int) -> None:
        """Make a point a centre; its own distance becomes exactly 0."""

    def sums(self) -> Floats:
        """Return the sum of D² of every `BLOCK` rows."""

    def block(self, number: int) -> Floats:
        """Return D² of the rows of one block."""


def draw(seeding: Seeding, sums: Floats, uniform: float) -> tuple[int, float]:
    """Draw a row with probability D² / Σ D², by the inverse of the cumulative sums in row order.

    A row of weight 0 is never drawn, whatever is lost to rounding.

    Args:
        seeding: Holds the weights.
        sums: Theirs, block by block; not all 0.
        uniform: In [0, 1).

    Returns:
        The row, and its D².
    """
    number, within = _inverse(np.cumsum(sums), uniform * float(sums.sum()))
    weights = seeding.block(number)
    place, _ = _inverse(np.cumsum(weights), within)
    return number * BLOCK + place, float(weights[place])


def _inverse(ends: Floats, target: float) -> tuple[int, float]:
    """Return the first place whose cumulative sum exceeds `target`, and how far into it that is."""
    target = min(target, float(np.nextafter(ends[-1], 0)))
    place = int(np.searchsorted(ends, target, side="right"))
    return place, target - float(ends[place - 1]) if place else target


class KMeansPlusPlus:
    """The engine of `Seeding` in numpy."""

    def __init__(self, residuals: Singles, embeddings: Singles, *, bias: bool) -> None:
        """Measure the gradients.

        Args:
            residuals: (n, c) a; kept, not changed.
            embeddings: (n, d) h; kept, not changed. Rows of zeros have no gradient whatever their label is:
                they weigh nothing.
            bias: Whether the layer's bias has a gradient too: h·h' + 1.
        """
        n, width = embeddings.shape
        self._a, self._h, self._bias = residuals, embeddings, float(bias)
        self._lengths = np.sqrt(_squares(embeddings) + self._bias)  # of h
        self.norms = _squares(residuals) * self._lengths**2
        self._slack = (width + residuals.shape[1] + 4) * _HALF_ULP
        blocks = -(-n // BLOCK)
        self._weights = np.zeros((blocks, BLOCK))  # D²; the last block is filled up with 0
        self._nearest = self._weights.reshape(-1)[:n]
        self._nearest[self._lengths > 0] = np.inf
        self._sums = self._weights.sum(axis=1)
        self._owners = np.zeros(n, np.intp)  # which centre is nearest, in the order in which they came
        self._known = 0  # centres
        self._centres = np.empty(16, np.intp)
        self._centre_a = np.empty((16, residuals.shape[1]), np.float32)
        self._centre_h = np.empty((16, width), np.float32)

    def add(self, row: int) -> None:
        """Make a point a centre; its own distance becomes exactly 0."""
        rows = self._affected(row)
        changed = [np.array([row])]
        self._nearest[row] = 0
        for start in range(0, len(rows), step := max(1, _GATHERED // self._h.shape[1])):
            changed.append(self._lower(rows[start : start + step], row))
        self._owners[row] = self._known
        self._remember(row)
        dirty = np.unique(np.concatenate(changed) // BLOCK)
        self._sums[dirty] = self._weights[dirty].sum(axis=1)

    def sums(self) -> Floats:
        """Return the sum of D² of every `BLOCK` rows."""
        return np.asarray(self._sums)

    def block(self, number: int) -> Floats:
        """Return D² of the rows of one block."""
        weights: Floats = self._weights[number]
        return weights

    def _affected(self, row: int) -> Rows:
        """Return the rows that bounds alone do not rule out."""
        if not self._known:
            return np.flatnonzero(self._nearest)
        centres = slice(self._known)
        products = self._products(self._centre_a[centres], self._centre_h[centres], row)
        apart = self._at_least(self._centres[centres], row, products) / 4
        limits = np.empty(_SCANNED)
        found = []
        for start in range(0, len(self._nearest), _SCANNED):
            part = slice(start, start + _SCANNED)
            nearest = self._nearest[part]
            limit = np.take(apart, self._owners[part], out=limits[: len(nearest)], mode="clip")  # no copy
            rows = np.flatnonzero(nearest > limit) + start
            most = np.abs(np.vecdot(self._a[rows], self._a[row])) * self._lengths[rows]
            most *= self._lengths[row]
            found.append(rows[self._at_least(rows, row, most) < self._nearest[rows]])
        return np.concatenate(found)

    def _lower(self, rows: Rows, row: int) -> Rows:
        """Lower D² of `rows` to their distance from the centre `row` where that is less; return where."""
        products = self._products(self._a[rows], self._h[rows], row)
        rows = rows[self._at_least(rows, row, products) < self._nearest[rows]]
        found = self._distances(rows, row)
        lower = found < self._nearest[rows]
        rows = rows[lower]
        self._nearest[rows] = found[lower]
        self._owners[rows] = self._known
        return rows

    def _products(self, a: Singles, h: Singles, row: int) -> Floats:
        """Return ⟨g, g'⟩ of some gradients and a centre's, computed in float32, for bounds."""
        with np.errstate(invalid="ignore"):  # BLAS may read past short rows, and flags what it does not use
            found = (a @ self._a[row]).astype(np.float64)
            found *= h @ self._h[row] + self._bias
        return np.asarray(found)

    def _at_least(self, rows: Rows, row: int, products: Floats) -> Floats:
        """Return what squared distances are at least, by inner products that were computed in float32.

        Their error is at most a share of ‖g‖‖g'‖, and so of (‖g‖² + ‖g'‖²) / 2.
        """
        found = self.norms[rows] + self.norms[row]
        found *= 1 - self._slack
        found -= 2 * products
        return np.asarray(np.maximum(found, 0, out=found))

    def _distances(self, rows: Rows, row: int) -> Floats:
        """Return squared distances in float64.

        Where most digits cancel they are measured again from the differences: with means ā, h̄ and differences
        δa, δh of two images, g - g' = δa ⊗ h̄ + ā ⊗ δh. So equal images are exactly 0 apart.
        """
        a, h = self._a[rows].astype(np.float64), self._h[rows].astype(np.float64)
        a_centre, h_centre = self._a[row].astype(np.float64), self._h[row].astype(np.float64)
        size = self.norms[rows] + self.norms[row]
        found = size - 2 * np.vecdot(a, a_centre) * (np.vecdot(h, h_centre) + self._bias)
        near = np.flatnonzero(found < CLOSE * size)
        a_mean, h_mean = (a[near] + a_centre) / 2, (h[near] + h_centre) / 2
        a, h = a[near] - a_centre, h[near] - h_centre
        found[near] = (
            np.vecdot(a, a) * (np.vecdot(h_mean, h_mean) + self._bias)
            + np.vecdot(a_mean, a_mean) * np.vecdot(h, h)
            + 2 * np.vecdot(a, a_mean) * np.vecdot(h, h_mean)
        )
        return np.asarray(np.maximum(found, 0, out=found))

    def _remember(self, row: int) -> None:
        """Keep the centre among the others, side by side in memory."""
        known = self._known
        if known == len(self._centres):
            self._centres = np.concatenate([self._centres, np.empty_like(self._centres)])
            self._centre_a = np.concatenate([self._centre_a, np.empty_like(self._centre_a)])
            self._centre_h = np.concatenate([self._centre_h, np.empty_like(self._centre_h)])
        self._centres[known] = row
        self._centre_a[known], self._centre_h[known] = self._a[row], self._h[row]
        self._known += 1


def _squares(points: Singles) -> Floats:
    """Return ‖x‖² of each row, in float64."""
    found = np.empty(len(points))
    step = max(1, _GATHERED // points.shape[1])
    for start in range(0, len(points), step):
        rows = points[start : start + step].astype(np.float64)
        found[start : start + step] = np.vecdot(rows, rows)
    return found
