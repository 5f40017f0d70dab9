"""Typical clustering: the most typical image of each cluster that has no label yet.

The released code measures squared distances where the paper's typicality has plain ones; plain is the default.
"""

from __future__ import annotations

import functools
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli import randomness
from alcli.geometry import clustering, distances
from alcli.parameters import Range
from alcli.strategies._batch import DIVERSE, Batch, Floats, Rows, Singles
from alcli.strategies._strategy import batch

_CAP = 4_096  # members of one cluster that are compared with each other: 64 MiB
_BLOCK = 1_024  # rows of the comparison that are partitioned at a time
_SHORTLIST = 16  # of the most typical, measured again in float64
_EPSILON = 1e-5  # of the released code: equal images are of finite typicality


class _Job(NamedTuple):
    """How many images to take out of one cluster.

    Attributes:
        members: (m,) unlabelled rows, ascending.
        visits: At most m.
        cluster: Its number, which seeds the sample of a cluster above `_CAP`.
    """

    members: Rows
    visits: int
    cluster: int


@batch(
    paper="Hacohen, Dekel & Weinshall, 2022, arXiv:2202.02794, TPC-RP; released code avihu111@4097a71",
    cost="k-means with min(l + k, 500) clusters + O(n·4096·d)",
    memory="4·(n + l)·d + 24·n + 64 MiB",
    prefix=False,
)
def typiclust(
    embeddings: Singles,
    *,
    labelled_embeddings: Singles,
    seed: int,
    k: int,
    max_clusters: Annotated[int, Range(1, 20_000)] = 500,
    small: Annotated[int, Range(0, 1_000_000)] = 5,
    neighbours: Annotated[int, Range(1, 1_000)] = 20,
    squared: bool = False,
) -> Batch:
    """Take the most typical image of each cluster, clusters without labels and large ones first.

    Args:
        embeddings: (n, d); compared by direction.
        labelled_embeddings: (l, d); l may be 0.
        seed: Of the first centroids, and of samples of clusters above 4,096 images.
        k: Images to pick.
        max_clusters: There are min(l + k, max_clusters) of them.
        small: Clusters of so many members or fewer wait until the others are exhausted.
        neighbours: Over how many, at most half of what is left of the cluster, the mean distance is taken.
        squared: Measure squared distances, as the released code does.

    Returns:
        k rows; the score is 1 / (mean distance to the nearest images of the cluster that are neither labelled
        nor picked + 1e-5), and 0 for the last image of a cluster.
    """
    n, labelled = len(embeddings), len(labelled_embeddings)
    points = np.concatenate([embeddings, labelled_embeddings])
    distances.unit(points, out=points)
    clusters = min(labelled + k, max_clusters)
    found = clustering.kmeans(points, clusters, seed=seed, purpose="typiclust").labels
    free, taken = (np.bincount(part, minlength=clusters) for part in (found[:n], found[n:]))
    visited, late = _itinerary(free, taken, k, small)
    jobs = _jobs(found[:n], visited, clusters)
    pick = functools.partial(_out_of, points, seed=seed, neighbours=neighbours, squared=squared)
    rows, scores = np.empty(k, np.int64), np.empty(k)
    for job, picks in zip(jobs, distances.in_threads(pick, jobs), strict=True):
        at = np.flatnonzero(visited == job.cluster)  # its turns ascend
        rows[at], scores[at] = picks
    quality = {
        "clusters": clusters,
        "visited_clusters": len(jobs),
        "share_in_visited_clusters": sum(len(job.members) for job in jobs) / n,
        "picked_from_small_clusters": late,
    }
    notes = clustering.approximations(len(points), clusters) + _capped(jobs)
    return Batch(rows, scores, [DIVERSE] * k, visited, quality, notes)


def _jobs(labels: Rows, visited: Rows, clusters: int) -> list[_Job]:
    """Return what to take out of each cluster that is visited."""
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=clusters))
    members = np.split(order, ends[:-1])
    visits = np.bincount(visited, minlength=clusters)
    return [_Job(members[cluster], int(visits[cluster]), int(cluster)) for cluster in np.flatnonzero(visits)]


def _capped(jobs: list[_Job]) -> list[str]:
    large = sum(len(job.members) > _CAP for job in jobs)
    return [f"typicality among {_CAP:,} random members of each of {large:,} larger clusters"] if large else []


def _itinerary(free: Rows, labelled: Rows, k: int, small: int) -> tuple[Rows, int]:
    """Return the cluster of each visit, and how many visits go to small clusters.

    Args:
        free: (c,) unlabelled members of each cluster.
        labelled: (c,) labelled ones.
        k: Visits.
        small: Clusters of so many members or fewer come last.
    """
    sizes = free + labelled
    order = np.lexsort((np.arange(len(sizes)), -sizes, labelled))
    kept, dropped = (order[mask] for mask in (sizes[order] > small, sizes[order] <= small))
    first, _ = clustering.cycle(free[kept], k)
    then, _ = clustering.cycle(free[dropped], k - len(first))
    return np.concatenate([kept[first], dropped[then]]), len(then)


def _out_of(points: Singles, job: _Job, *, seed: int, neighbours: int, squared: bool) -> tuple[Rows, Floats]:
    """Return the rows picked out of one cluster, in order, and their typicality."""
    rng = np.random.default_rng(randomness.derive_seed(seed, "typiclust", job.cluster))
    rest, visits = job.members, job.visits
    rows, scores = [], []
    while visits:
        some = rest
        if len(rest) > _CAP:
            some = np.sort(rng.choice(rest, _CAP, replace=False))
        best, typicality = most_typical(points[some], min(visits, len(some)), neighbours, squared=squared)
        rows.append(some[best])
        scores.append(typicality)
        visits -= len(best)
        rest = np.setdiff1d(rest, some[best], assume_unique=True)
    return np.concatenate(rows), np.concatenate(scores)


def most_typical(
    points: Singles, picks: int, neighbours: int, *, squared: bool = False
) -> tuple[Rows, Floats]:
    """Pick the points of largest typicality one after the other, each among those that are left.

    Args:
        points: (m, d).
        picks: At most m.
        neighbours: K; at most half of the points that are left count.
        squared: Take the mean of squared distances.

    Returns:
        Rows in pick order, and their typicality; 0 where no other point is left.
    """
    centred = points - points.mean(axis=0)
    apart = distances.between(centred, centred)
    np.fill_diagonal(apart, np.inf)
    if not squared:
        np.sqrt(apart, out=apart)
    left = stale = np.arange(len(points))
    means, reach = np.full(len(points), np.inf), np.full(len(points), np.inf)
    rows, scores = [], []
    wanted = 0
    for _ in range(picks):
        before, wanted = wanted, max(1, min(neighbours, len(left) // 2))
        _measure(apart, left if wanted != before else stale, wanted, means, reach)
        best, mean = _smallest(centred, apart, left[_lowest(means[left])], wanted, squared)
        rows.append(best)
        scores.append(1 / (mean + _EPSILON))
        left = left[left != best]
        stale = left[apart[left, best] <= reach[left]]  # it was among their nearest
        apart[:, best] = np.inf
    return np.array(rows), np.array(scores)


def _measure(apart: Singles, rows: Rows, wanted: int, means: Floats, reach: Floats) -> None:
    """Fill in the mean distance to the nearest points, and the farthest of these, for `rows`."""
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        near = np.partition(apart[block], wanted - 1, axis=1)[:, :wanted]
        means[block] = near.mean(axis=1, dtype=np.float64)
        reach[block] = near.max(axis=1)


def _lowest(means: Floats) -> Rows:
    """Return the positions of the lowest means, ascending."""
    if len(means) <= _SHORTLIST:
        return np.arange(len(means))
    return np.sort(np.argpartition(means, _SHORTLIST - 1)[:_SHORTLIST])


def _smallest(points: Singles, apart: Singles, rows: Rows, wanted: int, squared: bool) -> tuple[int, float]:
    """Return which of `rows` is nearest to its neighbours, measured in float64, and the mean distance."""
    near = np.argpartition(apart[rows], wanted - 1, axis=1)[:, :wanted]  # (r, wanted)
    gaps: NDArray[np.float64] = points[near].astype(np.float64) - points[rows][:, None]
    measured = np.einsum("rnd,rnd->rn", gaps, gaps)
    if not squared:
        np.sqrt(measured, out=measured)
    measured[np.isinf(np.take_along_axis(apart[rows], near, axis=1))] = np.inf
    means = np.round(measured.mean(axis=1), 10)
    best = int(means.argmin())
    return int(rows[best]), float(means[best])
