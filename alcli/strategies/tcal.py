"""Triple criteria: uncertainty, then diversity, then density."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from alcli import randomness
from alcli.errors import UsageError
from alcli.geometry import clustering
from alcli.parameters import Range
from alcli.strategies._batch import Batch, Floats, Rows, Singles, Size, filled
from alcli.strategies._order import smallest
from alcli.strategies._strategy import batch

_MOST = 20_000  # clusters
_CAP = 4_096  # members whose distances are all measured; above, those to so many of them are


def _limit(size: Size, _options: Mapping[str, Any]) -> None:
    if size.k > _MOST:
        raise UsageError(
            f"tcal makes a cluster for each image, up to {_MOST:,}; asked for {size.k:,}",
            hint="--strategy cluster-margin",
        )


@batch(
    paper="Demir & Bruzzone, 2015, TGRS 53(5); as the comparator in Wang et al., 2017, arXiv:1701.03551",
    cost="k-means of multiple·k images with k clusters",
    memory="8·multiple·k·d + 128 MiB",
    prefix=False,
    candidates="margin",
    limit=_limit,
)
def tcal(
    embeddings: Singles,
    margin: Floats,
    *,
    seed: int,
    k: int,
    multiple: Annotated[float, Range(1, 1_000)] = 5.0,
) -> Batch:
    """Take the densest image of each of k clusters of those with the smallest margin.

    Args:
        embeddings: (n, d).
        margin: (n,) p1 - p2.
        seed: Of the first centroids.
        k: Clusters, and images to pick.
        multiple: So many times k images of the smallest margin are clustered.

    Returns:
        k rows, smallest margin first; the score is 1 - margin. Where clusters are empty, as images are equal,
        the smallest margins fill up.
    """
    m = min(len(margin), math.ceil(round(multiple * k, 6)))
    chosen = smallest(margin, m)
    points = embeddings[chosen]
    labels = clustering.kmeans(points, k, seed=seed, purpose="tcal").labels
    picked = np.sort(medoids(points, labels, seed=seed))
    rows = chosen[picked]
    done = filled(rows, 1 - margin[rows], k, chosen)
    place = np.empty(len(margin), np.int64)
    place[chosen] = np.arange(m)
    sizes = np.bincount(labels)
    notes = clustering.approximations(m, k)
    if sizes.max() > _CAP:
        large = int((sizes > _CAP).sum())
        notes.append(
            f"density by the distances to {_CAP:,} random members in {large:,} clusters that have more"
        )
    quality = {
        "candidates": m,
        "empty_clusters": k - len(picked),
        "mean_margin": float(margin[done.rows].mean()),
    }
    return Batch(done.rows, done.scores, done.reasons, labels[place[done.rows]], quality, notes)


def medoids(points: Singles, labels: Rows, *, seed: int) -> Rows:
    """Return the row of the smallest mean distance to the others of its cluster, for each that has members.

    Args:
        points: (m, d), the more uncertain first: they win where means are equal.
        labels: (m,) clusters.
        seed: Of the sample in a cluster of more than 4,096.
    """
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    found = []
    for number, members in enumerate(np.split(order, starts[1:])):
        some = np.arange(len(members))
        if len(members) > _CAP:
            rng = np.random.default_rng(randomness.derive_seed(seed, "tcal", number))
            some = np.sort(rng.choice(len(members), _CAP, replace=False))
        found.append(members[_medoid(points[members], some)])
    return np.array(found)


def _medoid(points: Singles, some: Rows) -> int:
    """Return the row of the smallest mean distance to those `some` that are not itself, the first of equals."""
    if len(points) <= 2:
        return 0  # a pair is a tie
    wide = points - points.mean(axis=0, dtype=np.float64)
    lengths = np.einsum("ij,ij->i", wide, wide)
    sums, counts = np.zeros(len(wide)), np.full(len(wide), len(some))
    counts[some] -= 1
    for start in range(0, len(wide), _CAP):
        block = slice(start, start + _CAP)
        apart = lengths[block, None] + lengths[some] - 2 * (wide[block] @ wide[some].T)
        itself = np.flatnonzero((some >= start) & (some < start + _CAP))
        apart[some[itself] - start, itself] = 0
        sums[block] = np.sqrt(np.maximum(apart, 0, out=apart), out=apart).sum(axis=1)
    means = sums / counts
    scale = max(float(means.max()), np.finfo(np.float64).tiny)
    return int(np.round(means / scale, 7).argmin())
