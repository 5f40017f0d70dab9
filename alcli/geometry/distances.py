"""Distances between many points, in blocks: by a matrix product, then measured again where it decides.

‖x‖² + ‖c‖² - 2x·c is one matrix product, but loses digits where x and c are close; so the winner's distance is
computed anew from the differences.

A large job is cut into blocks of fixed size that threads take, each multiplying on its own: so its bits do not
depend on how many processors there are, as those of one product on many threads may.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]

Job = TypeVar("Job")
Result = TypeVar("Result")

_BLOCK = 1_024  # rows of one product
_OTHERS = 4_096  # and others: 16 MiB of float32
_THREADED = 2**26  # multiplications from which threads pay
_MOST_THREADS = 16  # each holds a block


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


def unit(points: NDArray[Any], *, out: Singles | None = None) -> Singles:
    """Return the rows scaled to length 1, float32, in `out` if given; a row of zeros stays zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", points, points, dtype=np.float64))
    scale = np.maximum(lengths, 1e-12)[:, None].astype(np.float32)
    return np.asarray(np.divide(points, scale, out=out), np.float32)


def between(rows: Singles, others: Singles) -> Singles:
    """Return all squared distances, clamped at 0; (n, d), (m, d) -> (n, m). The caller keeps n · m small."""
    found = rows @ others.T
    found *= -2
    found += squares(rows)[:, None]
    found += squares(others)
    return np.asarray(np.maximum(found, 0, out=found))


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
    at, exact = np.empty(n, np.int64), np.empty(n, np.float32)

    def find(rows: slice) -> None:
        block = points[rows] - centre
        at[rows] = _closest(block, others)
        exact[rows] = np.sqrt(squares(block - others[at[rows]]))

    jobs = [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]
    if n * others.size < _THREADED:
        for rows in jobs:
            find(rows)
    else:
        in_threads(find, jobs)
    return Nearest(at, exact)


def _closest(block: Singles, others: Singles) -> NDArray[np.int64]:
    """Return the position of the nearest of `others` for each row of a block, as far as a product tells."""
    at, best = np.zeros(len(block), np.int64), np.full(len(block), np.inf, np.float32)
    for first in range(0, len(others), _OTHERS):
        found = between(block, others[first : first + _OTHERS])
        local = found.argmin(axis=1)
        value = found[np.arange(len(local)), local]
        better = value < best
        at[better], best[better] = local[better] + first, value[better]
    return at


def in_threads(work: Callable[[Job], Result], jobs: Iterable[Job]) -> list[Result]:
    """Return the result of each job, in order; one job per processor at a time, each multiplying on one thread.

    Threads suffice, as numpy computes without the interpreter's lock.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(min(processors(), _MOST_THREADS)) as threads:
        return list(threads.map(work, jobs))


def processors() -> int:
    """Return how many processors this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # a list is one number per level
    return max(1, min(allowed, int(wanted))) if wanted.isdecimal() else allowed
