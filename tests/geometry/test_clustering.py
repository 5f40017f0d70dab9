"""k-means, and visiting clusters in turn."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.geometry import clustering, distances
from numpy.typing import NDArray


def blobs(n: int, centres: int, d: int, *, spread: float = 0.1) -> NDArray[np.float32]:
    rng = np.random.default_rng(n + d)
    at = rng.normal(size=(centres, d))
    return (at[np.arange(n) % centres] + spread * rng.normal(size=(n, d))).astype(np.float32)


def test_well_separated_clusters_are_found() -> None:
    points = blobs(600, 6, 8, spread=0.01)
    found = clustering.kmeans(points, 6, seed=0, purpose="test")
    assert len({tuple(sorted(set(found.labels[c::6].tolist()))) for c in range(6)}) == 6
    assert np.bincount(found.labels).tolist() == [100] * 6
    apart = np.linalg.norm(points - found.centres[found.labels], axis=1)
    assert found.distances == pytest.approx(apart, abs=1e-5)


def test_is_about_as_good_as_scikit_learn() -> None:
    from sklearn.cluster import KMeans

    points = blobs(3_000, 1, 8, spread=1)
    total = np.square(clustering.kmeans(points, 40, seed=0, purpose="test").distances).sum()
    peers = [KMeans(40, n_init=1, random_state=seed).fit(points).inertia_ for seed in range(3)]
    assert total < 1.03 * np.mean(peers)


def test_fewer_distinct_points_than_clusters_leave_clusters_empty() -> None:
    points = np.repeat(np.eye(3, dtype=np.float32), 10, axis=0)
    found = clustering.kmeans(points, 5, seed=0, purpose="test")
    assert len(set(found.labels.tolist())) == 3
    assert found.distances == pytest.approx(0, abs=1e-6)


def test_as_many_clusters_as_points() -> None:
    points = np.repeat(np.eye(2, dtype=np.float32), 2, axis=0)
    found = clustering.kmeans(points, 4, seed=0, purpose="test")
    assert found.labels.tolist() == [0, 1, 2, 3]
    assert found.centres.tolist() == points.tolist()
    assert found.centres is not points
    assert found.distances.tolist() == [0] * 4


def test_one_cluster_is_the_mean() -> None:
    points = blobs(50, 3, 4)
    found = clustering.kmeans(points, 1, seed=0, purpose="test")
    assert found.centres[0] == pytest.approx(points.mean(axis=0), abs=1e-6)


def test_seed_and_purpose_draw_anew() -> None:
    points = blobs(300, 1, 4, spread=1)
    one, again, seed, purpose = (
        clustering.kmeans(points, 9, seed=s, purpose=p).centres.tobytes()
        for s, p in ((0, "a"), (0, "a"), (1, "a"), (0, "b"))
    )
    assert one == again
    assert len({one, seed, purpose}) == 3


def test_the_number_of_threads_does_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    points = blobs(5_000, 30, 64, spread=0.8)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(distances, "processors", lambda threads=threads: threads)
        found.append(clustering.kmeans(points, 260, seed=0, purpose="test"))
    for one, other in zip(*found, strict=True):
        assert one.tobytes() == other.tobytes()


def test_more_points_than_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "SAMPLE", 200)
    points = blobs(1_000, 5, 6)
    found = clustering.kmeans(points, 5, seed=0, purpose="test")
    assert np.bincount(found.labels).tolist() == [200] * 5
    assert clustering.approximations(1_000, 5) == ["k-means centres fitted on 200 of 1,000 images"]
    assert clustering.approximations(200, 5) == []


def test_more_clusters_than_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "SAMPLE", 50)
    found = clustering.kmeans(blobs(300, 1, 6, spread=1), 120, seed=0, purpose="test")
    assert len(set(found.labels.tolist())) == 120
    assert clustering.approximations(300, 120) == ["k-means centres fitted on 120 of 300 images"]


@pytest.mark.parametrize("visits", [0, 1, 4, 6, 9])
def test_cycle_is_its_naive_twin(visits: int) -> None:
    sizes = np.array([1, 0, 3, 2])
    left, expected = sizes.tolist(), []
    while sum(left) and len(expected) < visits:
        for cluster in range(4):
            if left[cluster] and len(expected) < visits:
                expected.append((cluster, int(sizes[cluster]) - left[cluster]))
                left[cluster] -= 1
    cluster, turn = clustering.cycle(sizes, visits)
    assert list(zip(cluster.tolist(), turn.tolist(), strict=True)) == expected
