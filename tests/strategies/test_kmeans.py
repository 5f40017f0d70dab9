"""The image nearest to each centroid."""

from __future__ import annotations

import alcli
import numpy as np
import pytest
from alcli.errors import UsageError
from alcli.geometry import clustering
from alcli.ranking import find
from alcli.strategies._batch import Size
from alcli.strategies.kmeans import kmeans


def naive(found: clustering.Clusters, k: int) -> list[int]:
    """Cluster by cluster, then whatever is nearest to any centroid."""
    members: dict[int, list[int]] = {}
    for row, cluster in enumerate(found.labels.tolist()):
        members.setdefault(cluster, []).append(row)
    nearest = {c: min(rows, key=lambda row: (found.distances[row], row)) for c, rows in members.items()}

    def importance(cluster: int) -> tuple[int, int]:
        return (-len(members[cluster]), nearest[cluster])

    picked = [nearest[cluster] for cluster in sorted(members, key=importance)]
    rest = sorted(range(len(found.labels)), key=lambda row: (found.distances[row], row))
    return (picked + [row for row in rest if row not in picked])[:k]


@pytest.mark.parametrize(("n", "d", "k"), [(30, 2, 4), (200, 8, 20), (90, 3, 90), (300, 5, 1)])
@pytest.mark.parametrize("copies", [1, 3])
def test_naive_twin_given_the_clusters(n: int, d: int, k: int, copies: int) -> None:
    points = np.random.default_rng(n).normal(size=(n // copies, d)).astype(np.float32).repeat(copies, axis=0)
    found = clustering.kmeans(points, k, seed=5, purpose="kmeans")
    batch = kmeans(points, seed=5, k=k)
    assert batch.rows.tolist() == naive(found, k)
    assert batch.clusters is not None
    assert batch.clusters.tolist() == found.labels[batch.rows].tolist()


def test_golden_by_hand() -> None:
    points = np.array([[0], [1], [2], [10], [10.5], [11.5], [12], [30]], float)
    selection = alcli.rank("kmeans", k=3, embeddings=points)
    assert sorted(selection.rows.tolist()) == [1, 4, 7]  # centroids 1, 11 and 30; 10.5 and 11.5 tie
    assert selection.rows[0] == 4  # of the largest cluster
    assert selection.scores.tolist() == [4 / 8, 3 / 8, 1 / 8]


def test_equal_images_fill_up_and_it_says_so() -> None:
    batch = kmeans(np.repeat(np.eye(3, dtype=np.float32), 10, axis=0), seed=0, k=7)
    assert batch.rows[:3].tolist() == [0, 10, 20]
    assert len(set(batch.rows.tolist())) == 7
    assert list(batch.reasons) == ["diverse"] * 3 + ["fill"] * 4
    assert batch.quality["empty_clusters"] == 4
    assert batch.quality["mean_distance_to_centroid"] == pytest.approx(0, abs=1e-6)


def test_another_seed_may_pick_others() -> None:
    points = np.random.default_rng(0).normal(size=(200, 4))
    one, other = (alcli.rank("kmeans", k=10, embeddings=points, seed=seed).rows.tolist() for seed in (0, 1))
    assert one != other


def test_too_many_clusters_are_refused_before_anything_is_read() -> None:
    limit = find("kmeans").limit
    assert limit is not None
    with pytest.raises(UsageError, match="up to 20,000; asked for 30,000"):
        limit(Size(40_000, 30_000, 0, 0, 8), {})
    limit(Size(30_000, 30_000, 0, 0, 8), {})  # all of them: nothing to cluster
