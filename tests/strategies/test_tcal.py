"""Uncertain, diverse, dense."""

from __future__ import annotations

import math

import alcli
import numpy as np
import pytest
from alcli.errors import UsageError
from alcli.geometry import clustering
from alcli.ranking import find
from alcli.strategies import tcal as module
from alcli.strategies._batch import Size
from alcli.strategies.tcal import medoids, tcal
from numpy.typing import NDArray

# algorithms.md A.7
LINE = np.array([[0], [1], [1.2], [5], [5.1], [9]], np.float32)
CLUSTERS = np.array([0, 0, 0, 1, 1, 2])


def naive(points: NDArray[np.float32], margin: NDArray[np.float64], labels: list[int], k: int) -> list[int]:
    """Medoid by medoid; `labels` belong to the rows in the order of their margins."""
    order = np.argsort(margin, kind="stable")[: len(labels)].tolist()
    picked = []
    for cluster in set(labels):
        rows = [row for row, label in zip(order, labels, strict=True) if label == cluster]
        apart = {
            row: round(
                sum(math.dist(points[row].tolist(), points[other].tolist()) for other in rows)
                / max(1, len(rows) - 1), 6,
            )
            for row in rows
        }  # fmt: skip
        picked.append(min(rows, key=lambda row: (apart[row], order.index(row))))
    picked.sort(key=order.index)
    return (picked + [row for row in order if row not in picked])[:k]


def test_golden() -> None:
    assert medoids(LINE, CLUSTERS, seed=0).tolist() == [1, 3, 5]


def test_golden_through_rank() -> None:
    """The same, where k-means finds these clusters; the smallest margin comes first."""
    margin = np.array([0.1, 0.6, 0.3, 0.2, 0.5, 0.4])
    selection = alcli.rank(
        "tcal", k=3, embeddings=np.concatenate([LINE, [[50]]]), margin=[*margin, 0.9], multiple=2
    )
    assert selection.rows.tolist() == [3, 5, 1]
    assert selection.scores == pytest.approx([0.8, 0.6, 0.4])


@pytest.mark.parametrize(
    ("n", "d", "k", "multiple"), [(60, 2, 5, 5.0), (200, 8, 30, 3.0), (90, 3, 90, 5.0), (50, 4, 1, 20.0)]
)
@pytest.mark.parametrize("clustered", [True, False])
@pytest.mark.parametrize("copies", [1, 2])
def test_naive_twin_given_the_clusters(
    n: int, d: int, k: int, multiple: float, clustered: bool, copies: int
) -> None:
    rng = np.random.default_rng(n)
    points = rng.normal(size=(n, d))
    if clustered:
        points = 4 * points[rng.integers(6, size=n)] + 0.2 * points
    points = points.astype(np.float32)[np.arange(n) // copies]
    margin = rng.random(n)
    m = min(n, math.ceil(multiple * k))
    order = np.argsort(margin, kind="stable")[:m]
    labels = clustering.kmeans(points[order], k, seed=2, purpose="tcal").labels
    batch = tcal(points, margin, seed=2, k=k, multiple=multiple)
    assert batch.rows.tolist() == naive(points, margin, labels.tolist(), k)


def test_ties_go_to_the_more_uncertain() -> None:
    points = np.array([[0], [1], [0], [1]], np.float32)  # every mean distance is 2/3
    assert medoids(points, np.zeros(4, np.int64), seed=0).tolist() == [0]
    assert medoids(np.array([[3], [4]], np.float32), np.zeros(2, np.int64), seed=0).tolist() == [0]


def test_empty_clusters_give_way_to_the_next_most_uncertain() -> None:
    points = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    margin = np.array([0.5, 0.4, 0.3, 0.2, 0.1, 0.9, 0.8, 0.7, 0.6, 0.55])
    batch = tcal(points, margin, seed=0, k=4)
    assert batch.rows.tolist() == [4, 9, 3, 2]
    assert list(batch.reasons) == ["diverse", "diverse", "fill", "fill"]
    assert batch.quality["empty_clusters"] == 2


def test_only_the_most_uncertain_are_clustered() -> None:
    points = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    margin = np.linspace(0, 1, 100)
    batch = tcal(points, margin, seed=0, k=4, multiple=2.5)
    assert batch.quality["candidates"] == 10
    assert batch.rows.max() < 10


def test_large_clusters_are_sampled_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(1_500, 2)).astype(np.float32)
    points[700] = 0
    exact = medoids(points, np.zeros(1_500, np.int64), seed=0)
    monkeypatch.setattr(module, "_CAP", 400)
    about = medoids(points, np.zeros(1_500, np.int64), seed=0)
    for found in (exact, about):
        assert np.linalg.norm(points[found[0]]) < 0.15  # near the middle, which is the densest
    notes = tcal(points, rng.random(1_500), seed=0, k=2, multiple=700).approximations
    assert notes[0].startswith("density by the distances to 400 random members in 2 clusters")


def test_too_many_clusters_are_refused_before_anything_is_read() -> None:
    limit = find("tcal").limit
    assert limit is not None
    with pytest.raises(UsageError, match="up to 20,000; asked for 20,001"):
        limit(Size(10**6, 20_001, 0, 10, 8), {})
