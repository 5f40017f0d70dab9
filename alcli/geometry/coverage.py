"""Greedy coverage: the k points that, one after another, raise Σ_r w_r max_s κ(r, s) most. One engine for four methods.

The function is monotone and submodular, so a gain that was measured before later picks is still an upper
bound, and the greedy choice, within 1 - 1/e of the best, needs few gains measured again (lazy evaluation,
Minoux, 1978, doi:10.1007/BFb0006528). Every kernel falls with the distance. So a map that never lengthens
distances, here the leading principal components and the length of what they leave out, bounds gains from
above at a fraction of the arithmetic, tells which pairs need no measuring, and by the triangle inequality
which gains a pick cannot have changed. The picks are those of plain greedy.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli import randomness
from alcli.geometry import distances
from alcli.geometry.contraction import Contraction

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Apply = Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]

SATURATED = 1e-12  # of the total weight: a gain below it is rounding
_DECIMALS = 9  # of a gain: two points, each the other's nearest, gain the same but for rounding
_CANDIDATES, _REFERENCE = 256, 1_024  # of one block of bounds: 1 MiB of float32 stays in the cache
_BATCH = 32  # gains measured at once: 12.8 MB at 100,000 reference points
_BOUNDED = 1_024  # most gains bounded at once within one pick
_DENSE = 0.03  # share of the reference that a gain must be measured on for a bound to be cheaper
_THREADED = 4_000_000  # pairs from which on threads are worth starting
_INFLATION = 1 + 2.0**-14  # more than float32 loses in a sum of `_REFERENCE` terms that are not negative


class Kernel(NamedTuple):
    """How well a point covers another at a distance d.

    Attributes:
        shape: `ball`: 1 where d < width, else 0. `rbf`: exp(-(d / width)²). `cosine`: 1 - d²/4, which is
            (1 + cos) / 2 of points of length 1.
        width: Above 0; `cosine` has none.
    """

    shape: Literal["ball", "rbf", "cosine"]
    width: float = 1.0

    def of(self, squared: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return κ at squared distances, in their place and precision."""
        if self.shape == "ball":
            squared[...] = squared < self.width**2
        elif self.shape == "rbf":
            squared *= -1 / self.width**2
            np.exp(squared, out=squared)
        else:
            squared *= -0.25
            squared += 1
            np.maximum(squared, 0, out=squared)
        return squared

    def reach(self, covered: Floats) -> Floats:
        """Return the squared distances below which κ exceeds `covered`; infinite where every distance does."""
        if self.shape == "ball":
            return np.where(covered < 1, self.width**2, 0.0)
        if self.shape == "cosine":
            return 4 * (1 - covered)
        with np.errstate(divide="ignore"):
            return np.asarray(-np.log(covered) * self.width**2)


class Greedy(NamedTuple):
    """What `maximise` chose.

    Attributes:
        rows: (p,) candidates in pick order, p ≤ k: fewer where nothing is left to gain.
        gains: (p,) how much each raised the sum; they do not increase.
        before: Σ w κ over the reference before the first pick.
        after: And after the last.
        measured: Gains measured exactly; plain greedy measures about k · C.
    """

    rows: Rows
    gains: Floats
    before: float
    after: float
    measured: int


def maximise(
    candidates: Singles,
    reference: Singles,
    k: int,
    *,
    kernel: Kernel,
    weights: Floats | None = None,
    covered: Floats | None = None,
) -> Greedy:
    """Choose up to k candidates by greedy; of equal gains the smaller row.

    Args:
        candidates: (C, d).
        reference: (R, d) points to cover.
        k: At most C.
        kernel: How they are covered.
        weights: (R,) at least 0; 1 where None.
        covered: (R,) κ of each reference point to the best of what is chosen already; 0 where None.
    """
    weights = np.ones(len(reference)) if weights is None else weights
    covered = np.zeros(len(reference)) if covered is None else covered
    counts = weights > 0
    if not counts.all():
        reference, weights, covered = reference[counts], weights[counts], covered[counts]
    with _workers(len(candidates) * len(reference)) as apply:
        return _Search(candidates, reference, kernel, weights, covered.copy(), apply).run(k)


@contextlib.contextmanager
def _workers(pairs: int) -> Iterator[Apply]:
    """Give what maps a function over items: on every core, each with a BLAS of one thread, if it is worth it."""
    if pairs < _THREADED:
        yield map
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        yield pool.map


def start(reference: Singles, chosen: Singles, kernel: Kernel) -> Floats:
    """Return how well points are covered by what is chosen already; (R, d), (l, d) -> (R,), 0 where l is 0."""
    if not len(chosen):
        return np.zeros(len(reference))
    found = distances.nearest(reference, chosen).distances.astype(np.float64)
    return np.asarray(kernel.of(found * found))


def drawn(n: int, limit: int, *, seed: int, purpose: str) -> Rows:
    """Return all n rows, or `limit` of them drawn uniformly, in ascending order."""
    if n <= limit:
        return np.arange(n)
    rng = np.random.default_rng(randomness.derive_seed(seed, "coverage", purpose))
    return np.sort(rng.choice(n, limit, replace=False))


def approximations(n: int, candidates: int, reference: int) -> list[str]:
    """Say what is lost where candidates and reference are drawn from n images."""
    notes = []
    if candidates < n:
        notes.append(f"chosen among {candidates:,} of {n:,} images, drawn uniformly")
    if reference < n:
        error = np.sqrt(np.log(2 / 0.01) / (2 * reference))  # Hoeffding's bound for terms in [0, 1]
        notes.append(
            f"coverage estimated on {reference:,} of {n:,} images, drawn uniformly: "
            f"within {error:.4f} of the whole pool's at 99 % confidence"
        )
    return notes


class _Near(NamedTuple):
    """The reference points that one candidate may cover better than they are.

    Attributes:
        rows: (p,) positions in the reference.
        squared: (p,) squared distances, from differences.
        values: (p,) κ.
    """

    rows: Rows
    squared: Floats
    values: Floats


class _Search:
    """The state of the greedy search: for each candidate a bound of its gain, and how good the bound is."""

    def __init__(
        self,
        candidates: Singles,
        reference: Singles,
        kernel: Kernel,
        weights: Floats,
        covered: Floats,
        apply: Apply,
    ) -> None:
        self._candidates, self._reference, self._kernel, self._apply = candidates, reference, kernel, apply
        self._weights, self._covered = weights, covered
        self._measured = 0
        self._dense = 1.0  # share of the reference that the last gains were measured on, smoothed
        count = len(candidates)
        self._bound = np.full(count, np.inf)  # never below the gain
        self._exact = np.zeros(count, np.bool_)  # whether it is the gain
        self._tight = np.zeros(count, np.bool_)  # whether it follows from what is covered now
        if len(reference):
            self._contraction = Contraction(candidates, reference)
            self._tighten(np.arange(count))

    def run(self, k: int) -> Greedy:
        """Choose up to k."""
        rows: list[int] = []
        gains: list[float] = []
        before = float(self._weights @ self._covered)
        worth = SATURATED * float(self._weights.sum())
        while len(rows) < k and len(self._reference):
            row = self._best()
            if self._bound[row] <= worth:
                break
            rows.append(row)
            gains.append(float(self._bound[row]))
            self._take(row)
        after = float(self._weights @ self._covered)
        return Greedy(np.array(rows, np.int64), np.array(gains), before, after, self._measured)

    def _best(self) -> int:
        """Return the candidate of the largest gain, the smaller row of equals: no other's bound is above it."""
        wide, narrow = 8, 2
        while True:
            row = int(self._bound.argmax())
            if self._exact[row] or self._bound[row] <= 0:
                return row
            known = self._bound[self._exact].max(initial=-np.inf)
            rivals = np.flatnonzero((self._bound >= known) & ~self._exact)
            if len(rivals) > wide:
                rivals = rivals[np.argpartition(-self._bound[rivals], wide - 1)[:wide]]
            loose = rivals[~self._tight[rivals]]
            if len(loose) and self._dense > _DENSE:
                self._tighten(loose)
                wide = min(wide * 3 // 2, _BOUNDED)
            else:
                self._measure(rivals[np.lexsort((rivals, -self._bound[rivals]))[:narrow]])
                narrow = min(narrow * 2, wide, _BATCH)

    def _tighten(self, rows: Rows) -> None:
        """Bound gains by distances in the contraction, against what is covered now."""
        covered = np.nextafter(self._covered.astype(np.float32), np.float32(-1))
        weights = self._weights.astype(np.float32)

        def bounds(block: Rows) -> Floats:
            gains = np.zeros(len(block))
            for begin in range(0, len(covered), _REFERENCE):
                part = slice(begin, begin + _REFERENCE)
                values = self._kernel.of(self._contraction.to_reference(block, part))
                values -= covered[part]
                np.maximum(values, 0, out=values)
                gains += values @ weights[part]
            return gains * _INFLATION

        blocks = [rows[first : first + _CANDIDATES] for first in range(0, len(rows), _CANDIDATES)]
        found = np.concatenate(list(self._apply(bounds, blocks)))
        self._bound[rows] = np.minimum(self._bound[rows], found)
        self._tight[rows] = True

    def _measure(self, rows: Rows) -> None:
        """Measure gains. Summed in order of the reference: pairs that add nothing do not change the bits."""
        share = 0
        for row, near in zip(rows, self._nearby(rows), strict=True):
            better = np.maximum(near.values - self._covered[near.rows], 0)
            better *= self._weights[near.rows]
            self._bound[row] = round(float(better.cumsum()[-1]), _DECIMALS) if len(better) else 0.0
            share += len(better)
        self._exact[rows] = True
        self._tight[rows] = True
        self._measured += len(rows)
        self._dense = 0.5 * self._dense + 0.5 * share / (len(rows) * len(self._reference))

    def _take(self, row: int) -> None:
        """Cover by a candidate, and mark whose gain that may have lowered.

        A reference point r at distance d from the pick, that was covered at distance D, mattered only to
        candidates nearer to it than D, so to none further than d + D from the pick.
        """
        near = self._nearby(np.array([row]))[0]
        self._bound[row], self._exact[row] = -np.inf, True
        better = near.values > self._covered[near.rows]
        changed = near.rows[better]
        reach = np.sqrt(self._kernel.reach(self._covered[changed])) + np.sqrt(near.squared[better])
        self._covered[changed] = near.values[better]
        lowered = self._contraction.to_candidates(row) <= reach.max(initial=0.0) ** 2 * (1 + 1e-5)
        lowered[row] = False
        lowered &= self._bound > -np.inf
        self._exact[lowered] = self._tight[lowered] = False

    def _nearby(self, rows: Rows) -> list[_Near]:
        """Measure candidates against the reference points that they may cover better; few rows."""
        least = self._contraction.to_reference(rows, slice(None))
        reach = self._kernel.reach(self._covered) + self._contraction.slack

        def measured(place: int) -> _Near:
            near = np.flatnonzero(least[place] < reach)
            squared = np.empty(len(near))
            for first in range(0, len(near), _REFERENCE):
                block = self._reference[near[first : first + _REFERENCE]]
                block -= self._candidates[rows[place]]
                squared[first : first + len(block)] = distances.squares(block)
            return _Near(near, squared, np.asarray(self._kernel.of(squared.copy())))

        return list(self._apply(measured, range(len(rows))))
