"""k-means that gives the same bits on every run, over a bounded sample: scikit-learn's, on one thread.

Lloyd's sums depend on which thread adds first, so more threads would give other bits. Above `SAMPLE` points the
centres are fitted on a sample, which is an approximation that callers report; every point is then assigned, on
all processors.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli import randomness
from alcli.geometry import distances

Singles = NDArray[np.float32]
Rows = NDArray[np.int64]

SAMPLE = 100_000  # points that centres are fitted on
_LLOYD = 50  # clusters up to which every point takes part in every step; above, mini-batches do
_MINI_BATCH = 5_000
_SPREAD = 1_000  # clusters up to which k-means++ spreads the first centres; it takes their square


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
    """Partition points by k-means: Lloyd's algorithm for up to 50 clusters, mini-batches for more.

    Args:
        points: (n, d) float32.
        clusters: 1 to n; with n of them, each point is its own. Some are empty where points are equal.
        seed: The command's.
        purpose: Names the use, so that two uses draw independently.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    n = len(points)
    if clusters >= n:
        return Clusters(points.copy(), np.arange(n), np.zeros(n, np.float32))
    rng = np.random.default_rng(randomness.derive_seed(seed, "k-means", purpose))
    limit = max(SAMPLE, clusters)
    fitted = points if n <= limit else points[np.sort(rng.choice(n, limit, replace=False))]
    if clusters == len(fitted):
        return _assigned(points, fitted)
    common = {"n_clusters": clusters, "random_state": int(rng.integers(2**31)), "n_init": 1}
    model = (
        KMeans(**common, max_iter=100)
        if clusters <= _LLOYD
        else MiniBatchKMeans(
            **common,
            init="k-means++" if clusters <= _SPREAD else "random",
            init_size=3 * clusters,
            batch_size=_MINI_BATCH,
            max_iter=5,
            compute_labels=False,  # `nearest` does, on all processors
        )
    )
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # some clusters are empty
        model.fit(fitted)
    return _assigned(points, np.ascontiguousarray(model.cluster_centers_, np.float32))


def _assigned(points: Singles, centres: Singles) -> Clusters:
    found = distances.nearest(points, centres)
    return Clusters(centres, found.rows, found.distances)


def approximations(points: int, clusters: int) -> list[str]:
    """Say what `kmeans` does not do exactly at this size."""
    limit = max(SAMPLE, clusters)
    return [f"k-means centres fitted on {limit:,} of {points:,} images"] if points > limit else []


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
