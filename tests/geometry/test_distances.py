"""Distances between many points."""

from __future__ import annotations

import os

import numpy as np
import pytest
from alcli.geometry import distances


@pytest.mark.parametrize(
    ("n", "m", "d"), [(1, 1, 1), (50, 7, 3), (1_500, 40, 16), (30, 5_000, 4), (1_100, 300, 256)]
)
def test_nearest_is_that_of_a_naive_twin(n: int, m: int, d: int) -> None:
    rng = np.random.default_rng(n)
    points, others = (rng.normal(size=(rows, d)).astype(np.float32) for rows in (n, m))
    found = distances.nearest(points, others)
    apart = np.stack([np.linalg.norm(others.astype(float) - point, axis=1) for point in points.astype(float)])
    assert found.rows.tolist() == apart.argmin(axis=1).tolist()
    assert found.distances == pytest.approx(apart.min(axis=1), rel=1e-4, abs=1e-6)


def test_nearest_of_none() -> None:
    found = distances.nearest(np.ones((3, 2), np.float32), np.empty((0, 2), np.float32))
    assert found.rows.tolist() == [-1] * 3
    assert np.isinf(found.distances).all()


def test_equal_others_go_to_the_smaller_row_and_equal_points_are_at_0() -> None:
    others = np.repeat(np.array([[1e3, 1e3 + 0.01], [5, 5]], np.float32), 3_000, axis=0)
    found = distances.nearest(others[[0, 3_000]], others)
    assert found.rows.tolist() == [0, 3_000]
    assert found.distances.tolist() == [0, 0]


def test_close_pairs_far_from_the_origin_keep_their_digits() -> None:
    """x² + c² - 2xc is 0 or noise here; the difference is not."""
    points = np.array([[4_000.0, 0.0]], np.float32)
    found = distances.nearest(points, points + np.float32([[0.0, 0.001]]))
    assert found.distances == pytest.approx([0.001], rel=1e-3)


def test_the_number_of_threads_does_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points, others = (rng.normal(size=(rows, 64)).astype(np.float32) for rows in (6_000, 300))
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(distances, "processors", lambda threads=threads: threads)
        found.append(distances.nearest(points, others))
    for other in found[1:]:
        assert other.rows.tobytes() == found[0].rows.tobytes()
        assert other.distances.tobytes() == found[0].distances.tobytes()


def test_between() -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=(rows, 5)).astype(np.float32) for rows in (6, 4))
    naive = [[sum((x - y) ** 2 for x, y in zip(p, q, strict=True)) for q in b.tolist()] for p in a.tolist()]
    assert distances.between(a, b) == pytest.approx(np.array(naive), rel=1e-4)
    assert distances.between(a, a).min() >= 0


def test_unit_keeps_zeros_and_can_work_in_place() -> None:
    rows = np.array([[3, 4], [0, 0], [1e-3, 0]], np.float32)
    assert distances.unit(rows).tolist() == pytest.approx(np.array([[0.6, 0.8], [0, 0], [1, 0]]))
    assert rows[0].tolist() == [3, 4]
    assert distances.unit(rows, out=rows) is rows
    assert rows[0].tolist() == pytest.approx([0.6, 0.8])


def test_jobs_come_back_in_order() -> None:
    assert distances.in_threads(lambda job: job * job, range(40)) == [job * job for job in range(40)]


def test_processors_are_those_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert 1 <= distances.processors() <= (os.cpu_count() or 1)
    for text in ("1", "1,4", "0"):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert distances.processors() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert distances.processors() >= 1
