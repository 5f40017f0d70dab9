"""k-means that gives the same bits on every run and on any number of processors, over a bounded sample.

Assignment is one threaded step whose blocks do not depend on the threads; means are summed in float64 in the
order of the rows. Above `SAMPLE` points the centres are fitted on a sample, which is an approximation that callers
report; every point is then assigned.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli import distances, randomness

Singles = NDArray[np.float32]
Rows = NDArray[np.int64]

SAMPLE = 100_000  # points that centres are fitted on
_SEEDED = 3  # points that first centres are drawn from, per cluster
_STEPS = 100  # of Lloyd's algorithm at most
_TOLERANCE = 1e-3  # a step that lowers the sum of squares by a smaller share is the last


class Clusters(NamedTuple):
    """A partition of n points.

    Attributes:
        centres: (c, d) means.
        labels: (n,) each point's cluster.
        distances: (n,) to its centre, Euclidean.
    """

    centres: Singles
    labels: Rows
    distances: Singles


def kmeans(points: Singles, clusters: int, *, seed: int, purpose: str) -> Clusters:
    """Partition points by Lloyd's algorithm, begun with k-means++ (Arthur & Vassilvitskii, 2007).

    It ends when a step lowers the sum of squares by less than a thousandth, or after 100 steps.

    Args:
        points: (n, d) float32.
        clusters: 1 to n; with n of them, each point is its own. Some are empty where points are equal.
        seed: The command's.
        purpose: Names the use, so that two uses draw independently.
    """
    from threadpoolctl import threadpool_limits

    n = len(points)
    if clusters >= n:
        return Clusters(points.copy(), np.arange(n), np.zeros(n, np.float32))
    rng = np.random.default_rng(randomness.derive_seed(seed, "k-means", purpose))
    limit = max(SAMPLE, clusters)
    with threadpool_limits(1, "blas"):
        fitted = points if n <= limit else points[np.sort(rng.choice(n, limit, replace=False))]
        few = min(len(fitted), _SEEDED * max(clusters, 1_000))
        drawn = fitted[np.sort(rng.choice(len(fitted), few, replace=False))]
        centres = lloyd(fitted, seeds(drawn, clusters, rng))
        found = distances.nearest(points, centres)
    return Clusters(centres, found.rows, found.distances)


def approximations(points: int, clusters: int) -> list[str]:
    """Say what `kmeans` does not do exactly at this size."""
    limit = max(SAMPLE, clusters)
    return [f"k-means centres fitted on {limit:,} of {points:,} images"] if points > limit else []


def seeds(points: Singles, clusters: int, rng: np.random.Generator) -> Singles:
    """Draw first centres in proportion to the squared distance from those drawn before.

    The first eight are drawn one by one, then an eighth as many as there are at a time (after k-means||, Bahmani
    et al., 2012), so that distances are matrix products. Where fewer points are distinct than centres are wanted,
    the first is repeated.
    """
    drawn = [np.array([rng.integers(len(points))])]
    weights = np.square(distances.nearest(points, points[drawn[0]]).distances)
    total = 1
    while total < clusters:
        race = np.full(len(points), np.inf)  # the first to arrive at rate w is i with probability w_i / Σ w
        np.divide(rng.standard_exponential(len(points)), weights, out=race, where=weights > 0)
        wanted = min(max(1, total // 8), clusters - total)
        first = np.argpartition(race, wanted - 1)[:wanted]
        first = np.sort(first[np.isfinite(race[first])])
        if not len(first):
            drawn.append(np.repeat(drawn[0], clusters - total))
            break
        drawn.append(first)
        total += len(first)
        np.minimum(weights, np.square(distances.nearest(points, points[first]).distances), out=weights)
    return np.asarray(points[np.concatenate(drawn)])


def lloyd(points: Singles, centres: Singles) -> Singles:
    """Move centres to the means of the points that are nearest to them, until little is gained."""
    before = np.inf
    for _ in range(_STEPS):
        found = distances.nearest(points, centres)
        now = float(np.square(found.distances, dtype=np.float64).sum())
        if now >= before * (1 - _TOLERANCE):
            break
        before = now
        centres = _means(points, found, len(centres))
    return centres


def _means(points: Singles, found: distances.Nearest, clusters: int) -> Singles:
    """Return each cluster's mean; the points farthest from their centre take the place of empty clusters."""
    order = np.argsort(found.rows, kind="stable")
    sizes = np.bincount(found.rows, minlength=clusters)
    ends = np.cumsum(sizes)
    means = np.empty((clusters, points.shape[1]), np.float32)
    for cluster in np.flatnonzero(sizes):
        members = order[ends[cluster] - sizes[cluster] : ends[cluster]]
        means[cluster] = points[members].sum(axis=0, dtype=np.float64) / sizes[cluster]
    empty = np.flatnonzero(sizes == 0)
    means[empty] = points[np.argsort(-found.distances, kind="stable")[: len(empty)]]
    return means


def cycle(sizes: NDArray[np.int64], visits: int) -> tuple[Rows, Rows]:
    """Visit clusters in turn, each as often as it has members, the exhausted ones no more.

    Args:
        sizes: (c,) members, in the order of the clusters in every cycle.
        visits: How many at most; fewer are returned where there are fewer members.

    Returns:
        The position of the cluster at each visit, and how often it was visited before.
    """
    owner = np.repeat(np.arange(len(sizes)), sizes)
    turn = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    order = np.argsort(turn, kind="stable")[:visits]  # owners ascend already
    return owner[order], turn[order]
