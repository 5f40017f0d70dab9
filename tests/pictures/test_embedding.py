"""Images in the plane, by class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alcli.errors import InputRejected, UsageError
from alcli.pictures import embedding_map
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

POINTS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])


def scatter(axes: Axes, label: str) -> PathCollection:
    (found,) = [drawn for drawn in axes.collections if drawn.get_label() == label]
    assert isinstance(found, PathCollection)
    return found


def colours(axes: Axes) -> dict[tuple[float, float], str]:
    """Return the colour of each point whose class is known."""
    drawn = scatter(axes, "images")
    pairs = zip(np.asarray(drawn.get_offsets()), np.asarray(drawn.get_facecolor()), strict=True)
    return {(float(x), float(y)): to_hex(colour) for (x, y), colour in pairs}


def legend(axes: Axes) -> dict[str, Any]:
    found = axes.get_legend()
    assert found is not None
    pairs = zip(found.get_texts(), found.legend_handles, strict=True)
    return {text.get_text(): handle.get_markerfacecolor() for text, handle in pairs}  # type: ignore[union-attr]


def test_points_have_the_colour_of_their_class_in_the_legend() -> None:
    (axes,) = embedding_map(POINTS, [0, 1, 0, -1], ["ant", "bee"]).axes
    found, named = colours(axes), legend(axes)
    assert list(named) == ["ant (2)", "bee (1)", "class not known (1)"]
    assert found[0, 0] == found[0, 1] == named["ant (2)"]
    assert found[1, 0] == named["bee (1)"] != named["ant (2)"]
    assert np.asarray(scatter(axes, "unknown").get_offsets()).tolist() == [[2, 2]]


def test_selected_points_are_ringed() -> None:
    selected = np.array([False, True, False, True])
    (axes,) = embedding_map(POINTS, [0, 1, 0, -1], ["ant", "bee"], selected=selected).axes
    assert np.asarray(scatter(axes, "selected").get_offsets()).tolist() == [[1, 0], [2, 2]]
    assert list(legend(axes))[-1] == "selected (2)"


def grid(classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return class c of c + 1 points, side by side."""
    codes = np.repeat(np.arange(classes), np.arange(classes) + 1)
    return np.column_stack([codes, np.arange(len(codes))]).astype(float), codes


def test_twenty_classes_have_a_colour_each() -> None:
    points, codes = grid(20)
    (axes,) = embedding_map(points, codes, [f"c{code}" for code in range(20)]).axes
    assert len(set(colours(axes).values())) == 20
    assert len(legend(axes)) == 20


def test_of_more_classes_the_largest_have_a_colour() -> None:
    points, codes = grid(22)  # classes 0, 1 and 2, of 1, 2 and 3 points, are the smallest
    (axes,) = embedding_map(points, codes, [f"c{code}" for code in range(22)]).axes
    found, named = colours(axes), legend(axes)
    assert list(named) == [*(f"c{code} ({code + 1})" for code in range(3, 22)), "3 other classes (6)"]
    assert {found[x, y] for x, y in points[codes < 3]} == {named["3 other classes (6)"]}


def test_classes_without_points_are_not_named() -> None:
    (axes,) = embedding_map(POINTS, [2, 2, 2, 2], ["a", "b", "_c"]).axes
    assert list(legend(axes)) == ["_c (4)"]


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputRejected, match="no points"):
        embedding_map(np.empty((0, 2)), np.empty(0, int), ["a"])
    with pytest.raises(InputRejected, match="1 of 4 points"):
        embedding_map(np.where(POINTS == 2, np.nan, POINTS), [0, 0, 0, 0], ["a"])
    with pytest.raises(UsageError, match=r"points must be \(n, 2\)"):
        embedding_map(POINTS[:, :1], [0, 0, 0, 0], ["a"])
    for codes in ([0, 0, 0, 1], [0, 0, 0, -2], [0.0, 0.0, 0.0, 0.0]):
        with pytest.raises(UsageError, match="indices of 1 names"):
            embedding_map(POINTS, codes, ["a"])
    with pytest.raises(UsageError, match=r"selected must be \(4,\) booleans"):
        embedding_map(POINTS, [0, 0, 0, 0], ["a"], selected=[1, 0, 0, 0])
