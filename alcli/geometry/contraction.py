"""Points in few dimensions, no two of them further apart than they are: cheap lower bounds of distances.

The map takes a point to its leading principal components and, as one more coordinate, the length of what they
leave out. Both parts never lengthen a distance (the second by the triangle inequality), so nor does the whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alcli.geometry import distances

Singles = NDArray[np.float32]
Rows = NDArray[np.int64]

_VARIANCE = 0.995  # that the components hold
_FITTED = 10_000  # points that they are fitted on, and mapped at a time


class Contraction:
    """Candidates and reference in few dimensions, no two of them further apart than they are.

    Candidates are kept as (-2x, |x|², 1) and the reference as (y, 1, |y|²): one product gives |x - y|². What
    rounding may add is taken off, so that a bound may lie a little below 0.

    Attributes:
        slack: What is taken off.
    """

    def __init__(self, candidates: Singles, reference: Singles) -> None:
        centre = reference.mean(axis=0, dtype=np.float64).astype(np.float32)
        basis = _components(reference, centre)
        mapped = _mapped(reference, centre, basis)
        squares = distances.squares(mapped)
        self._reference = np.column_stack([mapped, np.ones_like(squares), squares])
        mapped = _mapped(candidates, centre, basis)
        of_candidates = distances.squares(mapped)
        self.slack = 1e-5 * float(max(squares.max(initial=0), of_candidates.max(initial=0)))
        mapped *= -2
        of_candidates -= np.float32(self.slack)
        self._candidates = np.column_stack([mapped, of_candidates, np.ones_like(of_candidates)])

    def to_reference(self, rows: Rows, part: slice) -> Singles:
        """Return lower bounds of squared distances; (b,) candidates to a part of the reference -> (b, p)."""
        return np.asarray(self._candidates[rows] @ self._reference[part].T)

    def to_candidates(self, row: int) -> Singles:
        """Return lower bounds of the squared distances of one candidate to all; (C,)."""
        mine = self._candidates[row].copy()
        mine[:-2] *= -0.5
        mine[-2:] = 1, mine[-2] + np.float32(self.slack)
        return np.asarray(self._candidates @ mine)


def _components(points: Singles, centre: Singles) -> Singles | None:
    """Return the leading principal components, (d, p); None where they are too many to save work."""
    sample = points[:: max(1, len(points) // _FITTED)] - centre
    values, vectors = np.linalg.eigh((sample.T @ sample).astype(np.float64))
    shares = np.cumsum(values[::-1])
    if shares[-1] <= 0:
        return None
    count = int(np.searchsorted(shares, _VARIANCE * shares[-1])) + 1
    few = count + 8 < points.shape[1] // 2
    return np.ascontiguousarray(vectors[:, ::-1][:, :count], np.float32) if few else None


def _mapped(points: Singles, centre: Singles, basis: Singles | None) -> Singles:
    """Return coordinates on the basis, and as one more the length of what is left; all of it without one."""
    if basis is None:
        return points - centre
    mapped = np.empty((len(points), basis.shape[1] + 1), np.float32)
    for first in range(0, len(points), _FITTED):
        block = points[first : first + _FITTED] - centre
        along = block @ basis
        block -= along @ basis.T
        mapped[first : first + len(block), :-1] = along
        mapped[first : first + len(block), -1] = np.sqrt(distances.squares(block))
    return mapped
