"""Robust k-center: the smallest radius that covers all but a few outliers, by mixed-integer programmes.

Sener & Savarese bisect the radius; whether k more centres cover all but Ξ images within it is a programme of its
own. Their listing is mended here where it does not hold:

- Half of the greedy radius bounds the optimum from below only if every image must be covered. With Ξ outliers, half
  of the radius after Ξ further greedy picks does: k + Ξ + 1 images lie at least that radius apart, and one centre
  within less than half of it can cover only one of them. (0, which also holds, takes more steps.)
- Both bounds are distances that occur between images, and the loop ends when they meet. A radius that cannot be
  reached moves the lower bound to the next larger distance, beyond it: were it the same one, the loop might not end.
- Running out of time is not infeasibility. A solution found by then is used; otherwise the search ends unproven.
- Distances are not squared, so that half a radius is half a radius.
- The programme is the compact one: a variable for each image that may be picked and, with outliers, each that may
  be left out; a row for each image that no labelled one covers; none for pairs. Any feasible solution will do, and
  its own radius, which may be smaller than the one asked for, is the new upper bound. SciPy's HiGHS takes no first
  solution, so the greedy picks are kept beside it, and returned where nothing better is found.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np

from alcli.errors import UsageError
from alcli.parameters import Range
from alcli.strategies._batch import Batch, Floats, Rows, Singles, Size, filled
from alcli.strategies._farthest import farthest_first, nearest_centres
from alcli.strategies._strategy import batch

logger = logging.getLogger("alcli")

_ROWS = 20_000
_PAIRS = 20_000_000  # neighbours in one programme: some 2 GiB in SciPy and HiGHS together
_HELD = 2**23  # distances held at a time: 64 MiB
_PRESOLVED = 5_000  # images that may be picked, in a programme that HiGHS presolves
_SAME = 1e-9  # distances that differ by less than this share are one


def _limit(size: Size, _: Mapping[str, Any]) -> None:
    if size.rows > _ROWS:
        raise UsageError(
            f"kcenter-robust solves programmes of up to {_ROWS:,} images; given {size.rows:,}",
            hint=f"--candidates {_ROWS}, or --strategy kcenter",
        )


@batch(
    paper="Sener & Savarese, 2018, arXiv:1708.00489, algorithm 2 and equation 6",
    cost="k-center, then a mixed-integer programme per tested radius",
    memory="8·n·d + 100·pairs within the radius",
    prefix=False,
    limit=_limit,
)
def kcenter_robust(
    embeddings: Singles,
    *,
    labelled_embeddings: Singles,
    k: int,
    outliers: Annotated[float, Range(0, 1)] = 1e-4,
    time_limit: Annotated[float, Range(0, 1_000_000)] = 180.0,
    gap: Annotated[float, Range(0, 1)] = 0.0,
) -> Batch:
    """Take the k images that cover all but a few outliers within the smallest radius.

    What is found within the time limit is returned, at worst the picks of `kcenter`. The answer depends on the
    speed of the machine if and only if the limit is reached, which `approximations` then says.

    Args:
        embeddings: (n, d), n at most 20,000.
        labelled_embeddings: (l, d); l may be 0.
        k: Images to pick.
        outliers: The share of the images that need not be covered; the paper's 1e-4.
        time_limit: Seconds for the whole search; 0 gives the picks of `kcenter`. A pass over all pairs that has
            begun is finished, which takes seconds at 20,000 images.
        gap: How far the radius may be above the smallest one, as a share of it, for the search to end early.

    Returns:
        k rows, which as a set have no order: the one farthest from all labelled and earlier ones comes first, and
        its distance is the score. Once every image equals one of these, the smallest rows fill up.
    """
    n = len(embeddings)
    allowed = int(outliers * n + _SAME)
    greedy = farthest_first(embeddings, labelled_embeddings, min(n, k + allowed))
    task = _Task(embeddings, labelled_embeddings, k, allowed)
    start = _State(greedy.rows[:k], task.radius(greedy.rows[:k]), greedy.radius / 2)
    found = _bisect(task, start, gap=gap, time_limit=time_limit)
    radius = task.radius(found.rows)
    proven = radius - found.lower <= _SAME * radius
    quality = {
        "covering_radius": radius,
        "outliers": allowed,
        "proven": proven,
        "gap": 0.0 if proven else (radius - found.lower) / radius,
    }
    notes = [] if proven else [_note(found, quality["gap"], better=found.upper < start.upper)]
    return _ordered(task, found.rows, quality, notes)


class _State(NamedTuple):
    """How far the search is.

    Attributes:
        rows: The best picks so far, at most k.
        upper: Their radius.
        lower: No picks have a smaller one.
        stopped: Why the search ended before the bounds met; empty where nothing got in its way.
    """

    rows: Rows
    upper: float
    lower: float
    stopped: str = ""


def _bisect(task: _Task, state: _State, *, gap: float, time_limit: float) -> _State:
    """Bring the bounds together until they meet, but for `gap`, or time is up."""
    end = time.monotonic() + time_limit
    late = f"the time limit of {time_limit:g} s was reached, so a rerun may pick otherwise"
    while state.upper - state.lower > max(gap, _SAME) * state.upper:
        if time.monotonic() >= end:
            return state._replace(stopped=late)
        radius = (state.lower + state.upper) / 2
        graph = task.graph(radius)
        if graph is None:
            return state._replace(
                stopped=f"more than {_PAIRS:,} pairs of images are within a radius to be tested"
            )
        left = end - time.monotonic()
        rows, infeasible = task.solve(graph, left) if left > 0 else (None, False)
        if rows is not None:
            state = state._replace(rows=rows, upper=min(task.radius(rows), radius))
        elif infeasible:
            state = state._replace(lower=min(graph.following, state.upper))
        else:
            return state._replace(stopped=late)
    return state


class _Graph(NamedTuple):
    """Who covers whom within a radius.

    Attributes:
        matrix: (u, n) SciPy sparse array: 1 where image j would cover the i-th image that no labelled one covers.
        following: The smallest distance above the radius at which that changes.
    """

    matrix: Any
    following: float


class _Task:
    """What is to be covered, and with how many."""

    def __init__(self, points: Singles, labelled: Singles, k: int, allowed: int) -> None:
        self.points, self.labelled = points, labelled
        self.k, self.allowed = k, allowed
        self._middle = points.mean(axis=0, dtype=np.float64)
        self._covered = self.distances(np.empty(0, np.int64))
        self._centred = points - self._middle  # (n, d) float64
        self._squares = np.einsum("ij,ij->i", self._centred, self._centred)

    def distances(self, rows: Rows) -> Floats:
        """Return (n,) distances to the nearest labelled image or one of `rows`."""
        centres = np.concatenate([self.labelled, self.points[rows]])
        return nearest_centres(self.points, centres, self._middle.astype(np.float32))[1]

    def radius(self, rows: Rows) -> float:
        """Return the smallest radius within which `rows` cover all but the outliers."""
        found = self.distances(rows)
        if self.allowed >= len(found):
            return 0.0
        last = len(found) - 1 - self.allowed
        return float(np.partition(found, last)[last])

    def graph(self, radius: float) -> _Graph | None:
        """Return who covers whom; None if there are too many pairs."""
        from scipy import sparse

        within = radius * (1 + _SAME)
        open_rows = np.flatnonzero(self._covered > within)
        following = float(self._covered[open_rows].min(initial=np.inf))
        columns, counts, total = [], [np.zeros(1, np.int64)], 0
        step = max(1, _HELD // len(self.points))
        for start in range(0, len(open_rows), step):
            rows = open_rows[start : start + step]
            squares = -2 * (self._centred[rows] @ self._centred.T)
            squares += self._squares
            squares += self._squares[rows][:, None]
            near = squares <= within**2
            at, others = np.nonzero(near)
            columns.append(others.astype(np.int32))
            counts.append(np.bincount(at, minlength=len(rows)))
            total += len(others)
            if total > _PAIRS:
                return None
            squares[near] = np.inf
            following = min(following, float(np.sqrt(squares.min())))
        starts = np.cumsum(np.concatenate(counts), dtype=np.int32)
        indices = np.concatenate([*columns, np.empty(0, np.int32)])
        shape = (len(open_rows), len(self.points))
        return _Graph(sparse.csr_array((np.ones(total), indices, starts), shape=shape), following)

    def solve(self, graph: _Graph, seconds: float) -> tuple[Rows | None, bool]:
        """Return picks that cover enough, or None and whether it is proven that there are none."""
        from scipy import optimize, sparse

        useful = np.unique(graph.matrix.indices)  # images that would cover one
        u, n = graph.matrix.shape[0], len(useful)
        blocks = [[graph.matrix[:, useful]], [sparse.csr_array(np.ones((1, n)))]]
        low, high = np.append(np.ones(u), 0), np.append(np.full(u, np.inf), self.k)
        integral = np.ones(n)
        if self.allowed:
            # An image left out needs no integer variable: coverage is whole, so what is missing is 0 or 1.
            blocks[0].append(sparse.eye_array(u, format="csr"))
            blocks[1].append(None)
            blocks.append([None, sparse.csr_array(np.ones((1, u)))])
            low, high = np.append(low, 0), np.append(high, self.allowed)
            integral = np.append(integral, np.zeros(u))
        rules = optimize.LinearConstraint(sparse.block_array(blocks, format="csc"), low, high)
        done = optimize.milp(
            np.zeros(len(integral)),
            integrality=integral,
            bounds=optimize.Bounds(0, 1),
            constraints=rules,
            # While HiGHS presolves it does not look at the time: minutes, where there are many columns.
            options={"time_limit": seconds, "presolve": n <= _PRESOLVED},
        )
        if done.x is None:
            return None, done.status == 2
        return useful[done.x[:n] > 0.5].astype(np.int64), False


def _ordered(task: _Task, rows: Rows, quality: dict[str, Any], notes: list[str]) -> Batch:
    """Return the picks farthest first, after completing them to k in the same way."""
    centres = np.concatenate([task.labelled, task.points[rows]])
    more = farthest_first(task.points, centres, task.k - len(rows)).rows
    whole = np.concatenate([rows, more])
    whole = np.sort(filled(whole, np.zeros(len(whole)), task.k, np.arange(len(task.points))).rows)
    order = farthest_first(task.points[whole], task.labelled, task.k)
    done = filled(whole[order.rows], order.scores, task.k, whole)
    quality["largest_distance"] = float(task.distances(done.rows).max())
    left = task.k - len(order.rows)
    if left:
        quality["filled"] = left
        logger.warning("kcenter-robust: %d of the images picked equal a labelled or an earlier one", left)
    return Batch(done.rows, done.scores, done.reasons, quality=quality, approximations=notes)


def _note(found: _State, gap: float, *, better: bool) -> str:
    """Return what to record of a search without proof, and warn if something got in its way."""
    why = found.stopped or "the search ended within the gap asked for"
    whose = "the best picks found are returned" if better else "the greedy picks of kcenter are returned"
    told = f"{why}; {whose}, whose radius may be lowered by {gap:.1%} at most"
    if found.stopped:
        logger.warning("kcenter-robust: %s", told)
    return told
