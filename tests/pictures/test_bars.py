"""Label-budget bars."""

from __future__ import annotations

import math

import pytest
from alcli.errors import InputRejected
from alcli.pictures import Bar, label_bars
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

BARS = [Bar("random", 1000, None, 1000), Bar("egl", None, None, 1000), Bar("margin", 620, 60, 1000)]


def rectangles(axes: Axes) -> list[Rectangle]:
    """Return bars from the top down."""
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return sorted(bars, key=lambda bar: bar.get_y())


def words(axes: Axes) -> list[str]:
    return [text.get_text() for text in sorted(axes.texts, key=lambda text: text.get_position()[1])]


def test_fewest_labels_are_on_top_and_never_reached_at_the_bottom() -> None:
    (axes,) = label_bars(BARS).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["margin", "random", "egl"]
    assert [bar.get_width() for bar in rectangles(axes)] == [620, 1000, 1000]
    assert axes.yaxis_inverted()
    assert words(axes) == ["620 ± 60, saves 38 %", "1,000", "not reached"]


def test_never_reached_is_hatched_and_nothing_else_is() -> None:
    (axes,) = label_bars(BARS).axes
    assert [bool(bar.get_hatch()) for bar in rectangles(axes)] == [False, False, True]


def test_the_interval_is_a_stroke_around_the_mean() -> None:
    (axes,) = label_bars(BARS).axes
    (stroke,) = axes.collections
    assert stroke.get_segments()[0][:, 0] == pytest.approx([560, 680])


def test_a_method_may_cost_more_than_random() -> None:
    (axes,) = label_bars([("kcenter", 1100.0, math.nan, 1000.0)]).axes
    assert words(axes) == ["1,100, costs 10 %"]
    assert axes.get_xlim()[1] > 1100


def test_what_only_some_seeds_reach_has_no_mean() -> None:
    some = [Bar("bald", None, None, 1000, 1, 5), Bar("dal", None, None, 1000, 4, 5)]
    (axes,) = label_bars([*BARS, *some]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "margin",
        "random",
        "dal",
        "bald",
        "egl",
    ]
    assert words(axes)[2:] == ["there in 4 of 5", "there in 1 of 5", "not reached"]
    assert [bool(bar.get_hatch()) for bar in rectangles(axes)] == [False, False, True, True, True]


def test_nan_counts_as_not_reached() -> None:
    (axes,) = label_bars([("egl", math.nan, None, 1000.0)]).axes
    assert words(axes) == ["not reached"]


def test_no_bars_and_budgets_that_are_none_are_refused() -> None:
    with pytest.raises(InputRejected, match="no method"):
        label_bars([])
    for budget in (0, -1, math.nan):
        with pytest.raises(InputRejected, match="budget of margin"):
            label_bars([Bar("margin", 10, None, budget)])
