"""The most typical image of each cluster."""

from __future__ import annotations

import alcli
import numpy as np
import pytest
from alcli.errors import UsageError
from alcli.geometry import clustering, distances
from alcli.strategies import typiclust as module
from alcli.strategies.typiclust import most_typical, typiclust
from numpy.typing import NDArray


def unit(points: NDArray[np.floating]) -> NDArray[np.float64]:
    return points.astype(float) / np.linalg.norm(points.astype(float), axis=1, keepdims=True)


def typicality(
    points: NDArray[np.float64], row: int, others: list[int], neighbours: int, squared: bool
) -> float:
    """The formula, for one image among the others that are left."""
    if len(others) == 1:
        return 0.0
    apart = np.linalg.norm(points[[other for other in others if other != row]] - points[row], axis=1)
    near = np.sort(apart)[: max(1, min(neighbours, len(others) // 2))]
    return float(1 / ((near**2 if squared else near).mean() + 1e-5))


def naive(
    points: NDArray[np.float64],
    labels: list[int],
    labelled: int,
    k: int,
    *,
    small: int = 5,
    neighbours: int = 20,
    squared: bool = False,
) -> list[int]:
    """The released loop with its crash on exhausted clusters mended; the last rows are the labelled ones."""
    n = len(points) - labelled
    clusters = sorted(set(labels))
    taken = {c: sum(label == c for label in labels[n:]) for c in clusters}
    order = sorted(clusters, key=lambda c: (taken[c], -labels.count(c), c))
    left = {c: [row for row in range(n) if labels[row] == c] for c in clusters}
    picked: list[int] = []
    for part in (
        [c for c in order if labels.count(c) > small],
        [c for c in order if labels.count(c) <= small],
    ):
        while len(picked) < k and any(left[c] for c in part):
            for c in [c for c in part if left[c]][: k - len(picked)]:
                values = [round(typicality(points, row, left[c], neighbours, squared), 5) for row in left[c]]
                picked.append(left[c].pop(values.index(max(values))))
    return picked


def data(n: int, d: int, clusters: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    spread = 0.3 if clusters > 1 else 1.0
    centres = rng.normal(size=(clusters, d)) if clusters > 1 else np.zeros((1, d))
    return (centres[rng.integers(clusters, size=n)] + spread * rng.normal(size=(n, d))).astype(np.float32)


SHAPES = [(60, 0, 3, 5), (200, 10, 8, 7), (120, 30, 4, 120), (80, 0, 5, 80), (150, 3, 16, 40)]


@pytest.mark.parametrize(("n", "labelled", "d", "k"), SHAPES)
@pytest.mark.parametrize("clusters", [1, 6])
@pytest.mark.parametrize("squared", [False, True])
def test_naive_twin_given_the_clusters(
    n: int, labelled: int, d: int, k: int, clusters: int, squared: bool
) -> None:
    points = data(n + labelled, d, clusters)
    both = distances.unit(points)
    wanted = min(labelled + k, 12)
    labels = clustering.kmeans(both, wanted, seed=3, purpose="typiclust").labels
    batch = typiclust(
        points[:n],
        labelled_embeddings=points[n:],
        seed=3,
        k=k,
        max_clusters=12,
        neighbours=6,
        squared=squared,
    )
    expected = naive(unit(points), labels.tolist(), labelled, k, neighbours=6, squared=squared)
    assert batch.rows.tolist() == expected
    assert batch.clusters is not None
    assert batch.clusters.tolist() == labels[batch.rows].tolist()


# algorithms.md B.5
LINE = np.array([[0], [0.1], [0.2], [1], [5]], np.float32)


@pytest.mark.parametrize(
    ("squared", "expected"),
    [(False, [6.666667, 10, 6.666667, 1.176471, 0.227273]), (True, [39.98, 99.90, 39.98, 1.379, 0.0512])],
)
def test_golden_typicality(squared: bool, expected: list[float]) -> None:
    everyone = list(range(5))
    formula = [typicality(LINE.astype(float), row, everyone, 2, squared) for row in everyone]
    assert formula == pytest.approx(expected, rel=2e-3)
    rows, scores = most_typical(LINE, 1, 2, squared=squared)
    assert rows.tolist() == [1]
    assert scores == pytest.approx([expected[1]], rel=2e-3)


@pytest.mark.parametrize("squared", [False, True])
def test_golden_in_full(squared: bool) -> None:
    """Among 0, 0.2, 1, 5 two neighbours count; among 0, 1, 5 one does, and 0 and 1 tie."""
    rows, scores = most_typical(LINE, 5, 2, squared=squared)
    assert rows.tolist() == [1, 2, 0, 3, 4]
    means = [(0.04 + 0.64) / 2, 1, 16] if squared else [(0.2 + 0.8) / 2, 1, 4]
    rest = [1 / (mean + 1e-5) for mean in means]
    assert scores[1:] == pytest.approx([*rest, 0], rel=1e-4)


def test_squared_distances_are_another_order() -> None:
    """The released code's index returns squares, so its typicality is not that of the paper (B.5)."""
    points = np.array([[0, 0], [0.1, 0], [0, 1], [0, 10], [0.55, 10], [0, 10.56]], np.float32)
    plain, squares = (most_typical(points, 1, 2, squared=squared)[0].tolist() for squared in (False, True))
    assert plain == [0]  # (0.1 + 1) / 2 is less than (0.55 + 0.56) / 2
    assert squares == [3]


@pytest.mark.parametrize(
    ("m", "d", "picks", "neighbours"), [(1, 2, 1, 20), (2, 2, 2, 20), (70, 3, 70, 5), (150, 8, 30, 20)]
)
def test_one_cluster_is_its_naive_twin(m: int, d: int, picks: int, neighbours: int) -> None:
    points = data(m, d, 1)
    rows, scores = most_typical(points, picks, neighbours)
    assert rows.tolist() == naive(points.astype(float), [0] * m, 0, picks, neighbours=neighbours, small=0)
    left = [row for row in range(m) if row not in rows[:-1].tolist()]
    last = typicality(points.astype(float), int(rows[-1]), left, neighbours, squared=False)
    assert scores[-1] == pytest.approx(last, rel=1e-5)


def test_clusters_with_labels_come_last() -> None:
    angles = np.array([0.0] * 10 + [2.0] * 8 + [4.0] * 6) + np.linspace(0, 0.1, 24)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labelled = np.isin(np.arange(24), [3, 4])  # both in the largest cluster
    selection = alcli.rank("typiclust", k=3, embeddings=points, labelled=labelled, max_clusters=3)
    groups = np.digitize(selection.rows, [10, 18]).tolist()
    assert groups == [1, 2, 0]


def test_without_labels_the_largest_come_first() -> None:
    angles = np.array([0.0] * 10 + [2.0] * 8 + [4.0] * 6) + np.linspace(0, 0.1, 24)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    selection = alcli.rank("typiclust", k=3, embeddings=points)
    assert np.digitize(selection.rows, [10, 18]).tolist() == [0, 1, 2]


def test_exhausted_clusters_are_skipped_and_small_ones_come_last() -> None:
    """The released code takes the argmax of nothing."""
    free, taken = np.array([2, 7, 3, 0]), np.array([0, 0, 3, 9])
    visited, late = module._itinerary(free, taken, 12, 5)
    assert visited.tolist() == [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 0, 0]
    assert late == 2


def test_all_clusters_small() -> None:
    points = np.random.default_rng(0).normal(size=(12, 3))
    batch = typiclust(
        points.astype(np.float32), labelled_embeddings=np.empty((0, 3), np.float32), seed=0, k=6
    )
    assert len(set(batch.rows.tolist())) == 6
    assert batch.quality["picked_from_small_clusters"] == 6


def test_at_most_500_clusters() -> None:
    points = np.random.default_rng(0).normal(size=(610, 3)).astype(np.float32)
    batch = typiclust(points, labelled_embeddings=points[:20], seed=0, k=505, small=0)
    assert batch.quality["clusters"] == 500


def test_equal_images_are_the_most_typical_and_come_in_the_order_of_rows() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(20, 4)) + 3, np.tile(rng.normal(size=4) + 3, (9, 1))]).astype(
        np.float32
    )
    batch = typiclust(
        points, labelled_embeddings=np.empty((0, 4), np.float32), seed=0, k=3, max_clusters=1, neighbours=4
    )
    assert batch.rows.tolist() == [20, 21, 22]
    assert batch.scores == pytest.approx([1e5] * 3)


def test_large_clusters_are_sampled_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CAP", 50)
    points = data(400, 4, 1)
    none = np.empty((0, 4), np.float32)
    one, again = (
        typiclust(points, labelled_embeddings=none, seed=0, k=130, max_clusters=2) for _ in range(2)
    )
    assert len(set(one.rows.tolist())) == 130
    assert one.rows.tolist() == again.rows.tolist()
    assert list(one.approximations) == ["typicality among 50 random members of each of 2 larger clusters"]
    assert np.isfinite(one.scores).all()


def test_options_out_of_range() -> None:
    with pytest.raises(UsageError, match="neighbours is 0; it must be a whole number from 1 to 1000"):
        alcli.rank("typiclust", k=1, embeddings=np.ones((3, 2)), neighbours=0)
