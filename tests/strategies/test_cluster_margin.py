"""Small margins from clusters in turn."""

from __future__ import annotations

import math

import alcli
import numpy as np
import pytest
from alcli import randomness
from alcli.strategies import cluster_margin as module
from alcli.strategies.cluster_margin import cluster_margin
from numpy.typing import NDArray

# algorithms.md B.4: clusters A = [3, 7], B = [1], C = [0, 2, 5]; rows 4 and 6 are not uncertain
ANGLES = np.array([4, 2, 4.01, 0, 3, 4.02, 3, 0.01])
MARGIN = np.array([0.1, 0.2, 0.3, 0.1, 0.9, 0.4, 0.9, 0.2])


def on_circle(angles: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def keys(n: int) -> NDArray[np.uint64]:
    return np.arange(n, dtype=np.uint64)


def test_golden() -> None:
    batch = cluster_margin(
        on_circle(ANGLES), MARGIN, keys(8), seed=0, k=5, multiple=1.2, cut=0.1, deterministic=True
    )
    assert batch.rows.tolist() == [1, 3, 0, 7, 2]
    assert batch.scores == pytest.approx([0.8, 0.9, 0.9, 0.8, 0.7])
    assert batch.quality["candidates"] == 6
    assert batch.quality["clusters"] == 3


def test_golden_is_filled_though_the_last_cluster_is_the_last_to_go() -> None:
    """FNTwin's round-robin stops where a cluster is empty, and under-fills."""
    batch = cluster_margin(
        on_circle(ANGLES), MARGIN, keys(8), seed=0, k=6, multiple=1, cut=0.1, deterministic=True
    )
    assert batch.rows.tolist() == [1, 3, 0, 7, 2, 5]


def naive_linkage(points: NDArray[np.float32], radius: float) -> list[int]:
    """Merge the two clusters of smallest average distance, as long as that is at most `radius`."""
    unit = points.astype(float) / np.linalg.norm(points.astype(float), axis=1, keepdims=True)
    groups = [[row] for row in range(len(unit))]
    while len(groups) > 1:
        average = {
            (a, b): np.mean([math.dist(unit[i], unit[j]) for i in groups[a] for j in groups[b]])
            for b in range(len(groups))
            for a in range(b)
        }
        (a, b), nearest = min(average.items(), key=lambda item: item[1])
        if nearest > radius:
            break
        groups[a] += groups.pop(b)
    labels = [0] * len(unit)
    for number, rows in enumerate(groups):
        for row in rows:
            labels[row] = number
    return labels


def naive(labels: list[int], order: list[int], draws: list[float], k: int) -> list[int]:
    """Round-robin; `order` lists the rows by margin, `labels` and `draws` belong to its entries."""
    members: dict[int, list[int]] = {}
    for position, cluster in enumerate(labels):
        members.setdefault(cluster, []).append(position)
    queues = sorted(members.values(), key=lambda positions: (len(positions), positions[0]))
    for queue in queues:
        queue.sort(key=lambda position: draws[position])
    picked: list[int] = []
    while len(picked) < k:
        for queue in queues:
            if queue and len(picked) < k:
                picked.append(order[queue.pop(0)])
    return picked


@pytest.mark.parametrize(
    ("n", "d", "k", "multiple"), [(40, 3, 5, 4.0), (60, 6, 30, 1.25), (25, 2, 25, 10.0), (30, 4, 1, 10.0)]
)
@pytest.mark.parametrize("clustered", [True, False])
@pytest.mark.parametrize("deterministic", [True, False])
def test_naive_twin(n: int, d: int, k: int, multiple: float, clustered: bool, deterministic: bool) -> None:
    rng = np.random.default_rng(n)
    points = rng.normal(size=(n, d))
    if clustered:
        points = 4 * points[rng.integers(5, size=n)] + 0.3 * points
    points, margin = points.astype(np.float32), rng.random(n)
    order = np.argsort(margin, kind="stable")[: min(n, math.ceil(multiple * k))].tolist()
    draws = (
        list(range(n)) if deterministic else randomness.uniform(4, "cluster-margin", keys(n)[order]).tolist()
    )
    expected = naive(naive_linkage(points[order], 0.6), order, draws, k)
    options = {"multiple": multiple, "cut": 0.6, "deterministic": deterministic}
    assert cluster_margin(points, margin, keys(n), seed=4, k=k, **options).rows.tolist() == expected


def test_the_cut_is_half_the_median_distance() -> None:
    points = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    unit = points.astype(float) / np.linalg.norm(points.astype(float), axis=1, keepdims=True)
    apart = [math.dist(unit[i], unit[j]) for j in range(50) for i in range(j)]
    batch = cluster_margin(points, np.linspace(0, 1, 50), keys(50), seed=0, k=3)
    assert batch.quality["cut"] == pytest.approx(np.median(apart) / 2, rel=1e-5)


def test_a_random_member_is_drawn_from_each_cluster() -> None:
    points, margin = on_circle(np.array([0, 0.01, 0.02, 0.03])), np.array([0.4, 0.3, 0.2, 0.1])
    first = [
        int(cluster_margin(points, margin, keys(4), seed=seed, k=2, multiple=2, cut=0.5).rows[0])
        for seed in range(800)
    ]
    counts = np.bincount(first, minlength=4)
    assert ((counts - 200) ** 2 / 200).sum() < 16.3  # p = 0.001 with three degrees of freedom


def test_second_pick_is_a_random_one_of_the_others() -> None:
    points, margin = on_circle(np.array([0, 0.01, 0.02])), np.zeros(3)
    pairs = [
        tuple(cluster_margin(points, margin, keys(3), seed=seed, k=2, cut=0.5).rows.tolist())
        for seed in range(900)
    ]
    counts = np.array([pairs.count((a, b)) for a in range(3) for b in range(3) if a != b])
    assert counts.sum() == 900
    assert ((counts - 150) ** 2 / 150).sum() < 20.5  # p = 0.001 with five degrees of freedom


def test_many_images_are_clustered_by_their_centroids_and_it_says_so() -> None:
    rng = np.random.default_rng(0)
    angles = np.repeat([0.0, 2.0, 4.0], [10, 60, 130]) + 0.01 * rng.random(200)
    batch = cluster_margin(
        on_circle(angles), rng.random(200), keys(200), seed=0, k=9, multiple=100, exact=100, cut=0.5
    )
    assert batch.quality["clusters"] == 3
    assert np.digitize(batch.rows, [10, 70]).tolist() == [0, 1, 2] * 3
    assert list(batch.approximations) == ["average linkage of 70 k-means centroids, in place of 200 images"]


def test_distances_in_scipys_order() -> None:
    from scipy.spatial.distance import pdist

    points = np.random.default_rng(0).normal(size=(1_100, 3)).astype(np.float32)
    assert np.abs(module._condensed(points) - pdist(points.astype(float))).max() < 1e-7


def test_equal_images_are_one_cluster() -> None:
    batch = cluster_margin(np.ones((20, 3), np.float32), np.linspace(0, 1, 20), keys(20), seed=0, k=4)
    assert batch.quality["clusters"] == 1
    assert len(set(batch.rows.tolist())) == 4


def test_through_rank() -> None:
    selection = alcli.rank(
        "cluster-margin",
        k=5,
        embeddings=on_circle(ANGLES),
        margin=MARGIN,
        cut=0.1,
        multiple=1.2,
        deterministic=True,
    )
    assert selection.rows.tolist() == [1, 3, 0, 7, 2]
