"""What the coverage strategies share: which images are covered, by which candidates, and the batch."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from alcli.errors import UsageError
from alcli.geometry import coverage, distances
from alcli.geometry.coverage import Greedy, Kernel
from alcli.parameters import Range
from alcli.strategies._batch import Batch, Floats, Rows, Singles, Size, filled

logger = logging.getLogger("alcli")

CANDIDATES, REFERENCE = 50_000, 100_000  # up to which nothing is drawn
LIMIT = Range(1, 10_000_000)
COST = "O(C·R·p) for bounds, then what they leave; C ≤ 50,000, R ≤ 100,000, p ≤ d components"
MEMORY = "4·(C + R)·(d + p) + 32·(C + R)"


def limit(size: Size, options: Mapping[str, Any]) -> None:
    """Refuse to pick more than there are candidates.

    Raises:
        UsageError: Naming the option that helps.
    """
    most = options["candidates_limit"]
    if most < size.k <= size.rows:
        raise UsageError(
            f"{size.k:,} images cannot be picked among {most:,} candidates",
            hint=f"--option candidates_limit={2 * size.k}",
        )


class Cover:
    """A pool to be covered.

    Attributes:
        points: (C, d) the candidates.
        reference: (R, d) the images to cover.
        labelled: (l, d).
    """

    def __init__(
        self,
        embeddings: Singles,
        labelled: Singles,
        *,
        seed: int,
        normalise: bool,
        candidates_limit: int,
        reference_limit: int,
    ) -> None:
        """Draw candidates and reference.

        Args:
            embeddings: (n, d) the pool.
            labelled: (l, d).
            seed: Of what is drawn.
            normalise: Whether to scale embeddings to length 1.
            candidates_limit: Candidates are drawn where there are more images.
            reference_limit: So is the reference.
        """
        scaled = distances.unit if normalise else np.asarray
        n = len(embeddings)
        self._candidates = coverage.drawn(n, candidates_limit, seed=seed, purpose="candidates")
        self._reference = coverage.drawn(n, reference_limit, seed=seed, purpose="reference")
        self._notes = coverage.approximations(n, len(self._candidates), len(self._reference))
        self.points = scaled(_rows(embeddings, self._candidates))
        same = len(self._candidates) == len(self._reference) == n
        self.reference = self.points if same else scaled(_rows(embeddings, self._reference))
        self.labelled = scaled(labelled)

    def pick(
        self,
        k: int,
        kernel: Kernel,
        *,
        device: str,
        weights: Floats | None = None,
        counted: bool = False,
        notes: tuple[str, ...] = (),
    ) -> Batch:
        """Return the greedy batch of k.

        Args:
            k: At most C.
            kernel: How images cover each other.
            device: `cpu` or a CUDA device.
            weights: (n,) of the pool, at least 0; 1 where None. They also order what fills up.
            counted: Whether a score is the number of images that a pick covers; else their share.
            notes: Further approximations.
        """
        of_reference = None if weights is None else weights[self._reference]
        covered = coverage.start(self.reference, self.labelled, kernel)
        found = _engine(device)(
            self.points, self.reference, k, kernel=kernel, weights=of_reference, covered=covered
        )
        total = float(len(self.reference) if of_reference is None else of_reference.sum())
        rest = self._rest(found.rows, weights) if len(found.rows) < k else np.empty(0, np.int64)
        gains = found.gains if counted else found.gains / len(self.reference)
        done = filled(self._candidates[found.rows], gains, k, self._candidates[rest])
        quality = _quality(found, kernel, total, k)
        return Batch(done.rows, done.scores, done.reasons, None, quality, [*notes, *self._notes])

    def _rest(self, picked: Rows, weights: Floats | None) -> Rows:
        """Return candidates in the order in which they fill up: the largest weight, else the farthest, first."""
        logger.warning("after %d picks nothing is left to cover: others fill up", len(picked))
        if weights is not None:
            return np.argsort(-weights[self._candidates], kind="stable")
        chosen = np.concatenate([self.labelled, self.points[picked]])
        return np.argsort(-distances.nearest(self.points, chosen).distances, kind="stable")


def _engine(device: str) -> Callable[..., Greedy]:
    if not device.startswith("cuda"):
        return coverage.maximise
    from alcli.accelerated import coverage as accelerated

    return functools.partial(accelerated.maximise, device=device)


def _rows(embeddings: Singles, rows: Rows) -> Singles:
    return embeddings if len(rows) == len(embeddings) else embeddings[rows]


def _quality(found: Greedy, kernel: Kernel, total: float, k: int) -> dict[str, Any]:
    """Say how well the pool is covered, as shares of its weight, by the labelled images and by all."""
    before, after = (min(1.0, value / total) if total > 0 else 1.0 for value in (found.before, found.after))
    quality: dict[str, Any] = {"coverage_before": before, "coverage": after}
    if kernel.shape != "cosine":
        quality["kernel_width"] = kernel.width
    if len(found.rows) < k:
        quality["filled"] = k - len(found.rows)
    return quality


def adaptive_width(given: Singles) -> float:
    """Return the kernel's width that follows from l labelled images: how near the nearest of them are.

    The smallest distance between two is 0 or rounding where an image was labelled twice. So each one's nearest
    at a positive distance counts, and the 1 % quantile of these is taken. 1 where there are not two apart.

    Args:
        given: (l, d); beyond 5,000 rows the quantile is of 5,000, evenly spread, with respect to all.
    """
    labelled = given.astype(np.float64)  # in float32 an image is up to 0.002 apart from itself
    queries = labelled[:: math.ceil(len(labelled) / 5_000)] if len(labelled) else labelled
    closest = np.full(len(queries), np.inf)
    squares = np.einsum("ij,ij->i", labelled, labelled)
    of_queries = np.einsum("ij,ij->i", queries, queries)
    floor = 1e-10 * float(squares.max(initial=0))  # below it, rounding
    for first in range(0, len(queries), 1_000):
        rows = slice(first, first + 1_000)
        for begin in range(0, len(labelled), 10_000):
            others = slice(begin, begin + 10_000)
            found = queries[rows] @ labelled[others].T
            found *= -2
            found += of_queries[rows, None]
            found += squares[others]
            found[found <= floor] = np.inf
            closest[rows] = np.minimum(closest[rows], found.min(axis=1))
    closest = closest[np.isfinite(closest)]
    return float(np.quantile(np.sqrt(closest), 0.01)) if len(closest) else 1.0
