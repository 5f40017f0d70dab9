"""Figures of learning curves, against scipy.stats and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.verdict import curves, runs
from scipy import stats

from tests.verdict.tables import columns, results, row


@pytest.mark.parametrize("count", [2, 3, 5, 17])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_intervals_are_those_of_scipy(count: int, level: float) -> None:
    values = np.random.default_rng(count).normal(0.8, 0.02, count)
    found = curves.estimate(values, level)
    interval = stats.ttest_1samp(values, 0).confidence_interval(level)
    assert found.mean == pytest.approx(values.mean())
    assert found.half_width == pytest.approx((interval.high - interval.low) / 2)


def test_one_seed_has_no_interval_and_equal_seeds_a_width_of_zero() -> None:
    assert curves.estimate(np.array([0.7]), 0.95) == curves.Estimate(0.7, None)
    found = curves.estimate(np.full(7, 0.1), 0.95)
    assert found.half_width == 0
    assert found.mean == pytest.approx(0.1)


def test_area_by_hand() -> None:
    # (0.6 · 100 + 0.75 · 200) / 300, and a constant curve is worth what it is.
    x = np.array([[100.0, 200.0, 400.0], [100.0, 200.0, 400.0]])
    areas = curves.area(x, np.array([[0.5, 0.7, 0.8], [0.3, 0.3, 0.3]]))
    np.testing.assert_allclose(areas, [0.7, 0.3])


@pytest.mark.parametrize(
    ("values", "target", "expected"),
    [
        pytest.param([0.5, 0.7, 0.85, 0.9], 0.8, 200 + 100 * 0.1 / 0.15, id="between two budgets"),
        pytest.param([0.5, 0.7, 0.85, 0.9], 0.85, 300, id="at a budget"),
        pytest.param([0.5, 0.7, 0.85, 0.9], 0.9, 400, id="at the end"),
        pytest.param([0.5, 0.7, 0.85, 0.9], 0.5, 100, id="from the start"),
        pytest.param([0.5, 0.7, 0.6, 0.9], 0.65, 175, id="the first of two crossings"),
        pytest.param([0.5, 0.5, 0.5, 0.5], 0.5, 100, id="flat"),
        pytest.param([0.5, 0.7, 0.85, 0.9], 0.91, None, id="never"),
        pytest.param([0.1, 0.2, 0.1 + 0.2 - 1e-16, 0.3], 0.1 + 0.2, 300, id="but for rounding"),
    ],
)
def test_labels_needed_by_hand(values: list[float], target: float, expected: float | None) -> None:
    needed = curves.labels_needed(np.array([100.0, 200.0, 300.0, 400.0]), np.array(values), target)
    assert needed == (None if expected is None else pytest.approx(expected))


def test_labels_needed_where_a_round_brought_no_label() -> None:
    assert curves.labels_needed(np.array([100.0, 200.0, 200.0]), np.array([0.5, 0.6, 0.8]), 0.7) == 200


def test_a_curve_by_hand() -> None:
    given = [
        row("margin", 0, 0, 0.5),
        row("margin", 0, 1, 0.6, labels=200, pseudo_labels=10, pseudo_precision=0.9),
        row("margin", 1, 0, 0.5),
        row("margin", 1, 1, 0.7, labels=210, pseudo_labels=0, pseudo_precision=None),
    ]
    start, end = curves.curve(runs.read(columns(given), "accuracy")["margin"], 0.95)
    assert (start.round, start.labels, start.seeds, start.value.half_width) == (0, 100, 2, 0)
    assert (start.pseudo_labels, start.pseudo_precision) == (0, None)
    assert (end.labels, end.pseudo_labels, end.pseudo_precision) == (205, 5, 0.9)
    # t(0.975, 1 degree) = 12.7062; standard error 0.05
    assert (end.value.mean, end.value.half_width) == pytest.approx((0.65, 12.7062 * 0.05), rel=1e-5)


def test_seconds_are_means_of_what_was_measured() -> None:
    read = runs.read(results({"margin": [[0.5, 0.6, 0.7]]}, score_seconds=None), "accuracy")["margin"]
    assert curves.seconds(read) == {"train": 4.0, "score": None, "select": 1.0}


def test_the_axis_is_rounds_where_no_labels_are_spent() -> None:
    assert curves.axis_of(np.array([[100.0, 200.0]])) == "labels"
    assert curves.axis_of(np.array([[100.0, 200.0, 200.0]])) == "labels"  # a pool that ran dry
    assert curves.axis_of(np.array([[100.0, 100.0]])) == "round"
    assert curves.axis_of(np.array([[100.0]])) == "round"
