"""k-means centroids: the cold start."""

from __future__ import annotations

import numpy as np

from alcli import clustering
from alcli.strategies._batch import Batch, Singles, filled
from alcli.strategies._strategy import batch


@batch(
    paper="Zhdanov, 2019, arXiv:1901.05954, §3; centroid initialisation of Gupte et al., 2024, arXiv:2401.14555",
    cost="k-means with k clusters",
    memory="12·n + 4·k·d",
    prefix=False,
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
    found = clustering.kmeans(embeddings, k, seed=seed, purpose="kmeans")
    order = np.lexsort((np.arange(len(embeddings)), found.distances))  # nearest first
    clusters, first, sizes = np.unique(found.labels[order], return_index=True, return_counts=True)
    largest = np.lexsort((order[first], -sizes))
    rows = order[first[largest]]
    done = filled(rows, sizes[largest] / len(embeddings), k, order)
    labels = found.labels[done.rows]
    notes = clustering.approximations(len(embeddings), k)
    return Batch(done.rows, done.scores, done.reasons, labels, approximations=notes)
