"""Distances between many points, in blocks: by a matrix product, then measured again where it decides.

‖x‖² + ‖c‖² - 2x·c is one matrix product, but loses digits where x and c are close; so the winner's distance is
computed anew from the differences.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]

_BLOCK = 4_096  # rows, and others, of one product: 64 MiB of float32


class Nearest(NamedTuple):
    """The nearest of some other points.

    Attributes:
        rows: (n,) positions among the others, the smaller one of equals; -1 where there are none.
        distances: (n,) Euclidean; infinite where there are none.
    """

    rows: NDArray[np.int64]
    distances: Singles


def squares(points: NDArray[Any]) -> Singles:
    """Return ‖x‖² of each row; (n, d) -> (n,)."""
    return np.asarray(np.einsum("ij,ij->i", points, points), np.float32)


def unit(points: NDArray[Any]) -> Singles:
    """Return the rows scaled to length 1, float32; a row of zeros stays zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", points, points, dtype=np.float64))
    return np.asarray(points / np.maximum(lengths, 1e-12)[:, None].astype(np.float32), np.float32)


def between(rows: Singles, others: Singles) -> Singles:
    """Return all squared distances, clamped at 0; (n, d), (m, d) -> (n, m). The caller keeps n · m small."""
    found = rows @ others.T
    found *= -2
    found += squares(rows)[:, None]
    found += squares(others)
    return np.maximum(found, 0, out=found)


def nearest(points: Singles, others: Singles) -> Nearest:
    """Find the nearest of `others` for every point.

    Args:
        points: (n, d) float32.
        others: (m, d) float32; m may be 0.
    """
    n = len(points)
    if not len(others):
        return Nearest(np.full(n, -1), np.full(n, np.inf, np.float32))
    centre = others.mean(axis=0)  # nearer to the origin, less is cancelled
    others = others - centre
    at, best = np.zeros(n, np.int64), np.full(n, np.inf, np.float32)
    exact = np.empty(n, np.float32)
    for start in range(0, n, _BLOCK):
        rows = slice(start, min(start + _BLOCK, n))
        block = points[rows] - centre
        for first in range(0, len(others), _BLOCK):
            found = between(block, others[first : first + _BLOCK])
            local = found.argmin(axis=1)
            value = found[np.arange(len(local)), local]
            better = value < best[rows]
            at[rows][better], best[rows][better] = local[better] + first, value[better]
        exact[rows] = np.sqrt(squares(block - others[at[rows]]))
    return Nearest(at, exact)
