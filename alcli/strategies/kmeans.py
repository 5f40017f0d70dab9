"""k-means centroids: the cold start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alcli.errors import UsageError
from alcli.geometry import clustering
from alcli.strategies._batch import Batch, Singles, Size, filled
from alcli.strategies._strategy import batch

_MOST = 20_000  # clusters: with 1,000,000 × 256 this takes minutes, and grows with their number


def _limit(size: Size, _options: Mapping[str, Any]) -> None:
    if _MOST < size.k < size.rows:
        raise UsageError(
            f"kmeans makes a cluster for each image, up to {_MOST:,}; asked for {size.k:,}",
            hint="--strategy typiclust",
        )


@batch(
    paper="Zhdanov, 2019, arXiv:1901.05954, §3; centroid initialisation of Gupte et al., 2024, arXiv:2401.14555",
    cost="k-means with k clusters",
    memory="12·n + 4·k·d",
    prefix=False,
    limit=_limit,
)
def kmeans(embeddings: Singles, *, seed: int, k: int) -> Batch:
    """Take the image nearest to each of k centroids, largest cluster first.

    Args:
        embeddings: (n, d).
        seed: Of the first centroids.
        k: Clusters, and images to pick.

    Returns:
        k rows; the score is the share of the pool in the cluster. Where clusters are empty, as images are
        equal, the images nearest to any centroid fill up.
    """
    n = len(embeddings)
    found = clustering.kmeans(embeddings, k, seed=seed, purpose="kmeans")
    order = np.lexsort((np.arange(n), found.distances))  # nearest first
    clusters, first, sizes = np.unique(found.labels[order], return_index=True, return_counts=True)
    largest = np.lexsort((order[first], -sizes))
    done = filled(order[first[largest]], sizes[largest] / n, k, order)
    quality = {
        "mean_distance_to_centroid": float(found.distances.mean(dtype=np.float64)),
        "empty_clusters": k - len(clusters),
    }
    notes = clustering.approximations(n, k)
    return Batch(done.rows, done.scores, done.reasons, found.labels[done.rows], quality, notes)
