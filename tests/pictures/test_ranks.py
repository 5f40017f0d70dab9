"""Two rankings against each other."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.errors import InputRejected, UsageError
from alcli.pictures import rank_scatter
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection

NAMES = ("margin", "dal")
FIRST, SECOND = np.array([1, 2, 3, 4, 5]), np.array([2, 5, 1, 3, 4])


def points(axes: Axes, label: str) -> list[tuple[float, float]]:
    for drawn in axes.collections:
        if drawn.get_label() == label and isinstance(drawn, PathCollection):
            return [(float(x), float(y)) for x, y in drawn.get_offsets()]
    return []


def test_every_image_is_a_point() -> None:
    (axes,) = rank_scatter(FIRST, SECOND, names=NAMES, spearman=0.5).axes
    assert points(axes, "images") == list(zip(FIRST, SECOND, strict=True))
    assert axes.get_xlabel() == "rank by margin (1 is queried first)"
    assert axes.get_ylabel() == "rank by dal (1 is queried first)"
    assert axes.get_legend() is None


def test_the_title_has_the_correlations() -> None:
    (axes,) = rank_scatter(FIRST, SECOND, names=NAMES, spearman=0.304, kendall=-0.25).axes
    assert axes.get_title(loc="left") == "margin and dal: Spearman's ρ = 0.30, Kendall's τ = -0.25, 5 images"
    (axes,) = rank_scatter([1], [1], names=NAMES, spearman=None).axes
    assert axes.get_title(loc="left") == "margin and dal: Spearman's ρ undefined, 1 image"


def test_selected_images_are_marked_by_who_selects_them() -> None:
    (axes,) = rank_scatter(FIRST, SECOND, names=NAMES, spearman=0.5, k=2).axes
    assert points(axes, "by both") == [(1, 2)]
    assert points(axes, "only by margin") == [(2, 5)]
    assert points(axes, "only by dal") == [(3, 1)]
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "first 2 selected"
    cuts = sorted(next(iter(line.get_xdata())) for line in axes.lines)
    assert cuts == [0, 2.5]  # one from edge to edge, one at 2.5


def test_where_all_are_selected_there_is_no_cut() -> None:
    (axes,) = rank_scatter(FIRST, SECOND, names=NAMES, spearman=0.5, k=5).axes
    assert not axes.lines


def test_above_five_thousand_points_cells_count() -> None:
    ranks = np.arange(1, 5_002)
    figure = rank_scatter(ranks, ranks[::-1], names=NAMES, spearman=-1.0)
    (cells,) = [drawn for drawn in figure.axes[0].collections if isinstance(drawn, PolyCollection)]
    assert np.sum(cells.get_array()) == 5_001
    assert not points(figure.axes[0], "images")
    fewer = rank_scatter(ranks[:-1], ranks[:-1], names=NAMES, spearman=1.0)
    assert len(points(fewer.axes[0], "images")) == 5_000


def test_bad_ranks_are_refused() -> None:
    with pytest.raises(UsageError, match=r"given \(5,\) and \(4,\)"):
        rank_scatter(FIRST, SECOND[:4], names=NAMES, spearman=None)
    with pytest.raises(InputRejected, match="nothing to draw"):
        rank_scatter([], [], names=NAMES, spearman=None)
    with pytest.raises(InputRejected, match="2 of 3 images"):
        rank_scatter([1, np.nan, 2], [1, 2, np.inf], names=NAMES, spearman=None)
