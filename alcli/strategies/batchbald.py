"""BALD of a whole batch at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np

from alcli import randomness, uncertainty
from alcli.errors import UsageError
from alcli.parameters import Range
from alcli.strategies import _outcomes
from alcli.strategies._batch import Batch, Floats, Rows, Singles, Size, filled
from alcli.strategies._outcomes import Outcomes
from alcli.strategies._strategy import batch

logger = logging.getLogger("alcli")

MOST = 50  # images of a batch: beyond, labels of the first ones leave nothing to be told apart
_EQUAL = 1e-10  # gains that differ by less differ by rounding only
_FIRST = 16  # images that are measured before bounds are
_TOGETHER = 64  # images that are measured at a time


def _limit(size: Size, options: Mapping[str, Any]) -> None:
    del options
    if size.k > MOST:
        raise UsageError(
            f"batchbald looks ahead up to k = {MOST}; asked for {size.k:,}",
            hint="--strategy bald --stochastic power",
        )


@batch(
    paper="Kirsch et al., 2019, arXiv:1906.08158, algorithm 1; sampled as in BlackHC/batchbald_redux@e56c260",
    cost="O(k·n·samples·m·c), pruned",
    memory="8·n·m + 16·samples·m",
    prefix=True,
    limit=_limit,
    candidates="margin",
)
def batchbald(
    mc_probabilities: Singles, *, k: int, seed: int, samples: Annotated[int, Range(100, 1_000_000)] = 10_000
) -> Batch:
    """Take images whose labels together say most about which stochastic passes are right.

    Greedy: each image adds the most mutual information of labels and weights, given those before. That is
    exact while the earlier images have at most `samples` combinations of labels, and estimated from as many
    sampled ones afterwards. What an image adds never grows as the batch does, so that most images need no
    second look (lazy greedy, Minoux, 1978).

    Args:
        mc_probabilities: (n, m, c) of m dropout masks, the same for every image; rows sum to 1.
        k: Images to pick, at most 50.
        seed: Of the sampled combinations.
        samples: Combinations of labels that are looked at; more is more exact and slower.

    Returns:
        k rows; the score is the mutual information in nats that each added. Once nothing is left to learn, the
        images fill up that have the smallest margin of the mean over passes.
    """
    pool = _Pool(mc_probabilities)
    rows, scores, sampled_from = _greedy(pool, k, samples, seed)
    notes = []
    if sampled_from < len(rows):
        notes = [
            f"joint entropies from pick {sampled_from + 1} on estimated from {samples:,} samples of labels"
        ]
    quality: dict[str, Any] = {"mutual_information": float(scores.sum())}
    left = k - len(rows)
    if left:
        quality["filled"] = left
        logger.warning("batchbald: nothing is left to learn after %d images; %d fill up", len(rows), left)
    done = filled(rows, scores, k, pool.by_margin() if left else rows)
    return Batch(done.rows, done.scores, done.reasons, quality=quality, approximations=notes)


class _Pool:
    """The passes of all images.

    Attributes:
        shape: n, m, c.
        spread: (n, m) entropies of the passes.
    """

    def __init__(self, passes: Singles) -> None:
        self._passes = passes
        self.shape: tuple[int, ...] = passes.shape
        self.spread = np.empty(passes.shape[:2])
        for block in self._blocks():
            self.spread[block] = uncertainty.entropy(self.passes(block))

    def passes(self, rows: Rows | slice) -> Floats:
        """Return (b, m, c) in float64, whose rows sum to 1 as far as that goes and not as far as float32 does."""
        wide = self._passes[rows].astype(np.float64)
        wide /= wide.sum(axis=2, keepdims=True)
        return wide

    def information(self, outcomes: Outcomes, rows: Rows) -> Floats:
        """Return what each of `rows` adds."""
        found = np.empty(len(rows))
        for start in range(0, len(rows), _TOGETHER):
            at = rows[start : start + _TOGETHER]
            found[start : start + _TOGETHER] = outcomes.information(self.passes(at), self.spread[at])
        return found

    def by_margin(self) -> Rows:
        """Return all rows by the margin of the mean over passes, smallest first."""
        margins = np.empty(len(self._passes))
        for block in self._blocks():
            margins[block] = uncertainty.margin(self.passes(block).mean(axis=1))
        return np.argsort(np.round(margins, 10), kind="stable")

    def _blocks(self) -> Iterator[slice]:
        n, m, c = self.shape
        return uncertainty.blocks(n, m * c)


def _greedy(pool: _Pool, k: int, samples: int, seed: int) -> tuple[Rows, Floats, int]:
    """Return up to k rows, what each adds, and how many of them were found exactly."""
    n, m, c = pool.shape
    rows: list[int] = []
    gains: list[float] = []
    exact = 0
    outcomes = _outcomes.unknown(m)
    bounds = pool.information(outcomes, np.arange(n))
    while len(rows) < k:
        if rows:
            passes = pool.passes(np.array(rows))
            if c ** len(rows) <= samples:
                outcomes = outcomes.followed_by(passes[-1])
            else:
                rng = np.random.default_rng(randomness.derive_seed(seed, "batchbald", len(rows)))
                outcomes = _outcomes.sampled(passes, samples, rng)
                bounds = pool.information(outcomes.merged()[0], np.arange(n))  # by other samples others
                bounds[rows] = -np.inf
        row = _best(pool, outcomes, bounds)
        if bounds[row] < _EQUAL:
            break
        rows.append(row)
        gains.append(float(bounds[row]))
        exact += c ** (len(rows) - 1) <= samples
        bounds[row] = -np.inf
    return np.array(rows, np.int64), np.array(gains, np.float64), exact


def _best(pool: _Pool, outcomes: Outcomes, bounds: Floats) -> int:
    """Return the row that adds most, the smallest one of equals.

    Args:
        pool: All images.
        outcomes: Of the batch so far.
        bounds: (n,) what each image adds at most, -inf where it is in the batch. Lowered where more is found
            out; of the row that is returned, what it adds.
    """
    top = np.argsort(-bounds, kind="stable")[:_FIRST]
    top = top[bounds[top] >= 0]
    bounds[top] = pool.information(outcomes, top)
    best = float(bounds[top].max())
    rows = np.setdiff1d(np.flatnonzero(bounds >= best - _EQUAL), top)
    for groups in outcomes.merged()[1:]:
        bounds[rows] = np.minimum(bounds[rows], pool.information(groups, rows))
        rows = rows[bounds[rows] >= best - _EQUAL]
    rows = rows[np.argsort(-bounds[rows], kind="stable")]
    for start in range(0, len(rows), _TOGETHER):
        at = rows[start : start + _TOGETHER]
        if bounds[at[0]] < best - _EQUAL:
            break
        bounds[at] = pool.information(outcomes, at)
        best = max(best, float(bounds[at].max()))
    return int(np.argmax(bounds >= best - _EQUAL))
