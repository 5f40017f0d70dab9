"""The lazy engine picks what plain greedy picks, and measures far fewer gains."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from alcli.geometry import contraction, coverage
from alcli.geometry.coverage import Kernel, maximise

from tests.geometry import coverings
from tests.geometry.coverings import GOLDEN, SHAPES


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize(("n", "d", "labelled", "k"), [(30, 1, 0, 30), (90, 3, 4, 40), (150, 70, 1, 30)])
def test_lazy_is_plain_greedy(n: int, d: int, labelled: int, k: int, clustered: bool, shape: str) -> None:
    rng = np.random.default_rng(n)
    rows = coverings.points(n, d, clustered=clustered)
    if d == 1:
        rows = rng.normal(size=(n, 1)).astype(np.float32)  # of length 1 there would be two points only
    chosen, reference = coverings.points(labelled, d, clustered=clustered, seed=1), rows[: n - 7]
    for width, weights in [(0.3, np.ones(len(reference))), (0.9, rng.random(len(reference)).round(1))]:
        kernel = Kernel(shape, width)
        similarity = coverings.similarities(reference, rows, shape, width)
        covered = coverings.similarities(reference, chosen, shape, width).max(axis=1, initial=0)
        expected = coverings.plain(similarity, k, weights, covered)
        before = coverage.start(reference, chosen, kernel)
        assert before == pytest.approx(covered, abs=1e-6)
        found = maximise(rows, reference, k, kernel=kernel, weights=weights, covered=before)
        assert found.rows.tolist() == expected[0]
        assert found.gains == pytest.approx(expected[1], rel=1e-4, abs=1e-6)
        assert (np.diff(found.gains) <= 1e-6).all()
        assert found.before == pytest.approx(weights @ covered, abs=1e-5)
        assert found.after == pytest.approx(found.before + found.gains.sum())


@pytest.mark.parametrize("shape", SHAPES)
def test_few_gains_are_measured_and_cores_do_not_matter(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = coverings.points(900, 48, clustered=True)
    monkeypatch.setattr(coverage, "_THREADED", 1)
    found = maximise(rows, rows, 60, kernel=Kernel(shape, 0.5))
    assert found.measured < 60 * 900 / 4
    monkeypatch.setattr(coverage, "_THREADED", 10**12)
    alone = maximise(rows, rows, 60, kernel=Kernel(shape, 0.5))
    assert alone.rows.tolist() == found.rows.tolist()
    assert alone.gains.tobytes() == found.gains.tobytes()


def test_large_problems_run_on_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers: int | None) -> None:
            asked.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(coverage, "_THREADED", 1)
    monkeypatch.setattr(coverage, "ThreadPoolExecutor", Pool)
    assert maximise(GOLDEN, GOLDEN, 3, kernel=Kernel("ball", 0.5)).rows.tolist() == [1, 3, 5]
    assert asked == [os.cpu_count()]


@pytest.mark.parametrize(
    ("kernel", "weights", "rows", "gains"),
    [
        (Kernel("ball", 0.5), None, [1, 3, 5], [3, 2, 1]),
        (Kernel("rbf"), None, [1, 4, 5], [0.468107, 0.301709, 0.166553]),
        (Kernel("rbf"), [0.1, 0.1, 0.1, 0.9, 0.2, 1], [3, 5, 1], [0.186027, 0.166646, 0.039529]),
    ],
)
def test_golden(kernel: Kernel, weights: list[float] | None, rows: list[int], gains: list[float]) -> None:
    scale = 1 if kernel.shape == "ball" else len(GOLDEN)
    found = maximise(GOLDEN, GOLDEN, 3, kernel=kernel, weights=None if weights is None else np.array(weights))
    assert found.rows.tolist() == rows
    assert found.gains / scale == pytest.approx(gains, abs=5e-7)


def test_the_golden_batch_is_the_best_of_all() -> None:
    similarity = coverings.similarities(GOLDEN, GOLDEN, "rbf", 1.0)
    best = max(
        float(similarity[:, [a, b, c]].max(axis=1).sum())
        for a in range(6)
        for b in range(a)
        for c in range(b)
    )
    assert best == pytest.approx(5.618219, abs=5e-7)
    assert maximise(GOLDEN, GOLDEN, 3, kernel=Kernel("rbf")).after == pytest.approx(best)


def test_a_ball_is_open() -> None:
    line = np.arange(5, dtype=np.float32)[:, None] / 2  # neighbours lie exactly at the width
    found = maximise(line, line, 5, kernel=Kernel("ball", 0.5))
    assert (found.rows.tolist(), found.gains.tolist()) == ([0, 1, 2, 3, 4], [1] * 5)


@pytest.mark.parametrize("shape", SHAPES)
def test_equal_points_tie_to_the_smaller_row_and_are_picked_once(shape: str) -> None:
    rows = np.repeat(coverings.points(12, 40, clustered=False), 4, axis=0)
    found = maximise(rows, rows, 48, kernel=Kernel(shape, 0.2))
    assert len(found.rows) == 12
    assert (found.rows % 4 == 0).all()


def test_nothing_to_cover() -> None:
    for weights, covered in [(np.zeros(6), None), (None, np.ones(6))]:
        found = maximise(GOLDEN, GOLDEN, 3, kernel=Kernel("rbf"), weights=weights, covered=covered)
        assert found.rows.tolist() == []


@pytest.mark.parametrize("shape", SHAPES)
def test_a_kernel_exceeds_what_is_covered_within_its_reach_only(shape: str) -> None:
    kernel, squared = Kernel(shape, 0.7), np.linspace(0, 3, 301)
    values = kernel.of(squared.copy())
    for covered in (0.0, 0.25, 0.6, 1.0):
        reach = float(kernel.reach(np.array([covered]))[0])
        assert not (values > covered)[squared > reach + 1e-9].any()


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (50, 3), (400, 120)])
def test_a_contraction_never_lengthens(n: int, d: int, clustered: bool) -> None:
    rows = coverings.points(n, d, clustered=clustered) + np.float32(5)
    made = contraction.Contraction(rows, rows[::2])
    squared = ((rows[:, None].astype(np.float64) - rows[None]) ** 2).sum(axis=2)
    assert (made.to_reference(np.arange(n), slice(None)) <= squared[:, ::2]).all()
    assert (made.to_candidates(n // 2) <= squared[n // 2] + 1e-6).all()


def test_a_contraction_needs_few_dimensions_where_the_points_do() -> None:
    rows = coverings.points(400, 120, clustered=True)
    assert contraction.Contraction(rows, rows)._reference.shape[1] < 40


def test_what_is_drawn_is_drawn_once_and_told() -> None:
    assert coverage.drawn(5, 5, seed=0, purpose="x").tolist() == [0, 1, 2, 3, 4]
    rows = coverage.drawn(1_000, 10, seed=0, purpose="x")
    assert (np.diff(rows) > 0).all()
    assert rows.tolist() == coverage.drawn(1_000, 10, seed=0, purpose="x").tolist()
    assert rows.tolist() != coverage.drawn(1_000, 10, seed=0, purpose="y").tolist()
    assert coverage.approximations(10, 10, 10) == []
    candidates, reference = coverage.approximations(10**6, 35_000, 100_000)
    assert candidates == "chosen among 35,000 of 1,000,000 images, drawn uniformly"
    assert "100,000 of 1,000,000" in reference
    assert "within 0.0051 of" in reference  # sqrt(ln 200 / 200,000)
