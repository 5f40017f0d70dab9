"""Classes that change when features are dropped."""

from __future__ import annotations

import alcli
import numpy as np
import pytest
from alcli import randomness
from alcli.errors import UsageError
from alcli.geometry import clustering, distances
from alcli.strategies import dropquery as module
from alcli.strategies.dropquery import dropquery
from numpy.typing import NDArray


def naive_changes(
    points: NDArray[np.float32],
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    masks: NDArray[np.bool_],
    rate: float,
) -> list[int]:
    """One image and one pass at a time."""
    found = []
    for point in points.astype(float):
        whole = int((weights.astype(float) @ point + bias).argmax())
        passes = [
            int((weights.astype(float) @ (point * mask / (1 - rate)) + bias).argmax()) for mask in masks
        ]
        found.append(sum(label != whole for label in passes))
    return found


def naive(
    points: NDArray[np.float32],
    margin: NDArray[np.float64],
    changes: list[int],
    passes: int,
    seed: int,
    k: int,
) -> list[int]:
    """Candidates, then the nearest to each centroid, then the smallest margins."""
    threshold = passes / 2
    while sum(count > threshold for count in changes) < min(25 * k, len(points)):
        threshold -= 1
    rows = [row for row, count in enumerate(changes) if count > threshold]
    found = clustering.kmeans(distances.unit(points[rows]), k, seed=seed, purpose="dropquery")
    picked = []
    for cluster in set(found.labels.tolist()):
        members = np.flatnonzero(found.labels == cluster).tolist()
        picked.append(rows[min(members, key=lambda member: (found.distances[member], member))])
    picked.sort(key=lambda row: (-changes[row], margin[row], row))
    return (picked + sorted(set(rows) - set(picked), key=lambda row: (margin[row], row)))[:k]


@pytest.mark.parametrize(
    ("n", "d", "c", "k"), [(300, 8, 4, 5), (200, 16, 3, 20), (40, 4, 2, 40), (120, 6, 5, 1)]
)
@pytest.mark.parametrize("copies", [1, 4])
@pytest.mark.parametrize(("passes", "rate"), [(3, 0.75), (4, 0.5)])
def test_naive_twin(n: int, d: int, c: int, k: int, copies: int, passes: int, rate: float) -> None:
    rng = np.random.default_rng(n)
    points = rng.normal(size=(n, d)).astype(np.float32)[np.arange(n) // copies]
    weights, bias = rng.normal(size=(c, d)).astype(np.float32), rng.normal(size=c).astype(np.float32)
    margin = rng.random(n)
    masks = np.random.default_rng(randomness.derive_seed(6, "dropquery")).random((passes, d)) >= rate
    changes = naive_changes(points, weights, bias, masks, rate)
    batch = dropquery(
        points, margin, head_weights=weights, head_bias=bias, seed=6, k=k, passes=passes, rate=rate
    )
    assert batch.rows.tolist() == naive(points, margin, changes, passes, 6, k)
    picked = [reason == "diverse" for reason in batch.reasons]
    assert batch.scores[picked] == pytest.approx([changes[row] / passes for row in batch.rows[picked]])


def test_golden() -> None:
    """algorithms.md B.9."""
    undropped, passes = [0, 1, 1, 2], [[0, 1, 0, 2], [0, 0, 0, 2], [1, 0, 0, 2]]
    changes = module.mismatches(np.array([undropped, *passes]).T)
    assert changes.tolist() == [1, 2, 3, 0]
    rows, threshold = module.candidates(changes, 3, 2)
    assert rows.tolist() == [1, 2]
    assert threshold == 2


@pytest.mark.parametrize(
    ("enough", "rows", "threshold"),
    [(1, [1, 2], 2), (3, [0, 1, 2], 1), (4, [0, 1, 2, 3], 0), (99, [0, 1, 2, 3], 0)],
)
def test_the_threshold_gives_way_until_there_are_enough(enough: int, rows: list[int], threshold: int) -> None:
    found = module.candidates(np.array([1, 2, 3, 0]), 3, enough)
    assert (found[0].tolist(), found[1]) == (rows, threshold)


def test_half_of_the_passes_is_not_more_than_half() -> None:
    assert module.candidates(np.array([2, 3]), 4, 1)[0].tolist() == [1]


def test_quality_tells_the_threshold() -> None:
    rng = np.random.default_rng(0)
    batch = dropquery(
        rng.normal(size=(60, 5)).astype(np.float32),
        rng.random(60),
        head_weights=rng.normal(size=(3, 5)).astype(np.float32),
        head_bias=np.zeros(3, np.float32),
        seed=0,
        k=10,
    )
    assert batch.quality["passes_that_change_at_least"] == 0  # 250 of 60 cannot be had
    assert batch.quality["candidates"] == 60


def test_nothing_dropped_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    batch = dropquery(
        rng.normal(size=(60, 5)).astype(np.float32),
        rng.random(60),
        head_weights=rng.normal(size=(3, 5)).astype(np.float32),
        head_bias=rng.normal(size=3).astype(np.float32),
        seed=0,
        k=4,
        rate=0.0,
    )
    assert batch.scores.tolist() == [0] * 4


def test_equal_images_are_filled_by_margin() -> None:
    rng = np.random.default_rng(0)
    margin = rng.random(30)
    batch = dropquery(
        np.ones((30, 5), np.float32), margin, seed=0, k=5,
        head_weights=rng.normal(size=(3, 5)).astype(np.float32), head_bias=np.zeros(3, np.float32),
    )  # fmt: skip
    assert batch.rows[1:].tolist() == [row for row in np.argsort(margin).tolist() if row != batch.rows[0]][:4]
    assert list(batch.reasons) == ["diverse"] + ["fill"] * 4


def test_above_the_most_clusters_each_gives_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CLUSTERS", 3)
    angles = np.repeat([0.0, 2.0, 4.0], [10, 30, 60]) + 0.01 * np.random.default_rng(0).random(100)
    batch = dropquery(
        np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32), np.linspace(0, 1, 100), seed=0, k=20,
        head_weights=np.eye(2, dtype=np.float32), head_bias=np.zeros(2, np.float32),
    )  # fmt: skip
    assert np.bincount(np.digitize(batch.rows, [10, 40])).tolist() == [2, 6, 12]
    assert list(batch.approximations) == [
        "3 clusters that give images by their size, in place of 20 clusters"
    ]


@pytest.mark.parametrize(
    ("sizes", "k", "expected"),
    [
        ([10, 30, 60], 10, [1, 3, 6]),
        ([1, 1, 1], 2, [1, 1, 0]),
        ([5, 0, 2], 7, [5, 0, 2]),
        ([3, 3, 1], 5, [2, 2, 1]),
    ],
)
def test_shares_by_largest_remainder(sizes: list[int], k: int, expected: list[int]) -> None:
    assert module.shares(np.array(sizes), k).tolist() == expected


def test_shares_sum_to_k_and_fit() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        sizes = rng.integers(0, 9, size=rng.integers(1, 12))
        sizes[0] += 1
        k = int(rng.integers(1, sizes.sum() + 1))
        shares = module.shares(sizes, k)
        assert shares.sum() == k
        assert (shares <= sizes).all()
        assert shares.min() >= 0


def test_the_last_layer_is_needed() -> None:
    with pytest.raises(UsageError, match="head_weights was not given"):
        alcli.rank("dropquery", k=1, embeddings=np.ones((3, 2)), margin=np.ones(3))
