"""Cluster-Margin: the smallest margins, spread over clusters.

The paper clusters the whole pool once; here what has a small margin is clustered anew, so that no clustering has to
be kept, and up to `exact` images are clustered without approximation.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from alcli import randomness
from alcli.geometry import clustering, distances
from alcli.parameters import Range
from alcli.strategies._batch import DIVERSE, Batch, Floats, Rows, Singles
from alcli.strategies._order import smallest
from alcli.strategies._strategy import batch

_SAMPLE = 2_000  # images whose median distance sets the cut
_BLOCK = 512  # rows of distances at a time


@batch(
    paper="Citovsky et al., 2021, arXiv:2107.14263",
    cost="O(m²·d) with m = multiple·k up to 10,000, then k-means",
    memory="8·m² up to 800 MB, or 4·m·d",
    prefix=False,
    candidates="margin",
)
def cluster_margin(
    embeddings: Singles,
    margin: Floats,
    keys: NDArray[np.uint64],
    *,
    seed: int,
    k: int,
    multiple: Annotated[float, Range(1, 1_000)] = 10.0,
    cut: Annotated[float, Range(0, 2)] = 0.0,
    exact: Annotated[int, Range(1, 20_000)] = 10_000,
    deterministic: bool = False,
) -> Batch:
    """Take images of small margin from clusters in turn, smallest cluster first.

    Args:
        embeddings: (n, d); compared by direction.
        margin: (n,) p1 - p2.
        keys: (n,) identities, which draw the members.
        seed: Of the draws.
        k: Images to pick.
        multiple: So many times k images of the smallest margin are clustered. The paper takes 10 on Open
            Images, and 1.25 where batches are large beside the pool.
        cut: Average distance of unit vectors up to which clusters are merged; 0 for half the median distance
            of 2,000 images, as the paper does not publish its own.
        exact: Images up to which these themselves are merged, in 8·exact² bytes; above, centroids of k-means
            are.
        deterministic: Take the smallest margin of the cluster at each visit, instead of a random member.

    Returns:
        k rows; the score is 1 - margin.
    """
    m = min(len(margin), math.ceil(round(multiple * k, 6)))
    chosen = smallest(margin, m)
    radius = cut or _half_median(embeddings, seed)
    labels, notes = _merged(distances.unit(embeddings[chosen]), radius, exact, seed)
    draws = np.arange(m) if deterministic else randomness.uniform(seed, "cluster-margin", keys[chosen])
    picked = _in_turn(labels, draws, k)
    rows = chosen[picked]
    quality = {
        "candidates": m,
        "clusters": int(labels.max()) + 1,
        "visited_clusters": len(np.unique(labels[picked])),
        "cut": float(radius),
        "mean_margin": float(margin[rows].mean()),
    }
    return Batch(rows, 1 - margin[rows], [DIVERSE] * k, labels[picked], quality, notes)


def _in_turn(labels: Rows, draws: NDArray[np.number], k: int) -> Rows:
    """Visit clusters in turn, smallest first, exhausted ones no more, until k are picked.

    Args:
        labels: (m,) the cluster of each image, in the order of margins, which orders clusters of equal size.
        draws: (m,) the lower is picked sooner within its cluster.
        k: At most m.

    Returns:
        (k,) positions.
    """
    _, first, inverse, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    smallest = np.lexsort((first, sizes))
    place = np.empty_like(smallest)
    place[smallest] = np.arange(len(smallest))
    order = np.lexsort((draws, place[inverse]))
    cluster, turn = clustering.cycle(sizes[smallest], k)
    ends = np.cumsum(sizes[smallest])
    return np.asarray(order[ends[cluster] - sizes[smallest][cluster] + turn])


def _half_median(embeddings: Singles, seed: int) -> float:
    """Return half the median distance of two images of a sample, as unit vectors; 0 for a single image."""
    n = len(embeddings)
    rng = np.random.default_rng(randomness.derive_seed(seed, "cluster-margin", "cut"))
    sample = distances.unit(embeddings[np.sort(rng.choice(n, min(n, _SAMPLE), replace=False))])
    return float(np.median(_condensed(sample))) / 2 if n > 1 else 0.0


def _merged(points: Singles, radius: float, exact: int, seed: int) -> tuple[Rows, list[str]]:
    """Cluster unit vectors by average linkage; return their clusters and what was not exact."""
    m = len(points)
    if m <= exact:
        return _linked(points, radius), []
    centroids = min(exact, 5 * math.isqrt(m))
    found = clustering.kmeans(points, centroids, seed=seed, purpose="cluster-margin")
    notes = clustering.approximations(m, centroids)
    notes.append(f"average linkage of {centroids:,} k-means centroids, in place of {m:,} images")
    return _linked(found.centres, radius)[found.labels], notes


def _linked(points: Singles, radius: float) -> Rows:
    """Return the clusters of average linkage cut at `radius`, from 0; (m, d) -> (m,)."""
    from scipy.cluster import hierarchy

    if len(points) == 1:
        return np.zeros(1, np.int64)
    tree = hierarchy.linkage(_condensed(points), "average")
    return np.asarray(hierarchy.fcluster(tree, radius, "distance"), np.int64) - 1


def _condensed(points: Singles) -> Floats:
    """Return the distances of all pairs in float64, in scipy's order; (m, d) -> (m·(m - 1)/2,)."""
    m = len(points)
    wide = points.astype(np.float64)
    lengths = np.einsum("ij,ij->i", wide, wide)
    found = np.empty(m * (m - 1) // 2)
    end = 0
    for start in range(0, m, _BLOCK):
        rows = wide[start : start + _BLOCK]
        block = lengths[start : start + _BLOCK, None] + lengths[start:] - 2 * (rows @ wide[start:].T)
        for at in range(len(rows)):
            row = block[at, at + 1 :]
            found[end : end + len(row)] = row
            end += len(row)
    np.maximum(found, 0, out=found)
    return np.sqrt(found, out=found)
