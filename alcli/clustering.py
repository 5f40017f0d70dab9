"""k-means, the same to the last bit on every run: scikit-learn's, on one thread, over a bounded sample.

Lloyd's sums depend on which thread adds first, so more threads would give other bits. Above `SAMPLE` points the
centres are fitted on a sample, which is an approximation that callers report; every point is then assigned.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli import distances, randomness

Singles = NDArray[np.float32]

SAMPLE = 100_000  # points that centres are fitted on
_LLOYD = 50  # clusters up to which every point takes part in every step; mini-batches above
_MINI_BATCH = 5_000


class Clusters(NamedTuple):
    """A partition of n points.

    Attributes:
        centres: (c, d) means.
        labels: (n,) each point's cluster.
        distances: (n,) to its centre, Euclidean.
    """

    centres: Singles
    labels: NDArray[np.int64]
    distances: Singles


def kmeans(points: Singles, clusters: int, *, seed: int, purpose: str) -> Clusters:
    """Partition points by k-means: Lloyd's algorithm for few clusters, mini-batches for more than 50.

    Args:
        points: (n, d) float32.
        clusters: At most n; some may end up empty where points are equal.
        seed: The command's.
        purpose: Names the use, so that two uses draw independently.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(randomness.derive_seed(seed, "k-means", purpose))
    fitted = points
    if len(points) > max(SAMPLE, clusters):
        fitted = points[np.sort(rng.choice(len(points), max(SAMPLE, clusters), replace=False))]
    common = {"n_clusters": clusters, "random_state": int(rng.integers(2**31)), "n_init": 1}
    model = (
        KMeans(**common, max_iter=100)
        if clusters <= _LLOYD
        else MiniBatchKMeans(**common, batch_size=_MINI_BATCH, max_iter=20, init_size=3 * max(clusters, 1_000))
    )
    import warnings

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct points than clusters: the caller sees empty clusters
        model.fit(fitted)
    centres = np.ascontiguousarray(model.cluster_centers_, np.float32)
    found = distances.nearest(points, centres)
    return Clusters(centres, found.rows, found.distances)


def approximations(points: int, clusters: int) -> list[str]:
    """Say what `kmeans` does not do exactly at this size."""
    limit = max(SAMPLE, clusters)
    return [f"k-means centres fitted on {limit:,} of {points:,} images"] if points > limit else []
