"""What was measured once: a dot for each method with its interval, one beneath the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alcli.pictures import canvas
from alcli.pictures.averages import Line
from alcli.pictures.canvas import Look

_ROOM = 0.04  # beside the widest interval, as a share of the width


def dots(lines: Sequence[Line], looks: Mapping[str, Look], title: str, words: Mapping[str, str]) -> Figure:
    """Draw the last mean of each line with its 95 % t interval; the highest on top.

    The mean of `random`, if it is among them, goes on as a dashed line through all rows.

    Args:
        lines: At least one.
        looks: By method; a method without one is grey.
        title: Of the picture.
        words: By method, what is said on the right.
    """
    shown = sorted(lines, key=lambda line: (-line.mean[-1], line.method))
    with canvas.drawing(1.15 + 0.34 * len(shown)) as figure:
        axes = figure.subplots()
        for at, line in enumerate(shown):
            look = looks.get(line.method)
            _draw(axes, at, line, look.colour if look else canvas.GREY)
            axes.text(1.015, at, words[line.method], va="center", transform=axes.get_yaxis_transform())
            if line.method == "random":
                axes.axvline(line.mean[-1], color=canvas.GREY, linestyle=(0, (4, 2)), linewidth=1, zorder=1.5)
        canvas.rows(axes, [line.method for line in shown])
        axes.set_xlim(*_ends(shown))
        canvas.shares(axes.xaxis)
        axes.set_title(title)
    return figure


def _draw(axes: Axes, at: int, line: Line, colour: str) -> None:
    half = line.half_width[-1]
    axes.errorbar(
        line.mean[-1], at, xerr=half if np.isfinite(half) else None, fmt="o", markersize=6, color=colour,
        linewidth=1.6, capsize=3, label=line.method, zorder=3,
    )  # fmt: skip


def _ends(lines: Sequence[Line]) -> tuple[float, float]:
    """Return what the axis shows: all intervals as far as they are in [0, 1], and a little more."""
    means = np.array([line.mean[-1] for line in lines])
    halves = np.nan_to_num([line.half_width[-1] for line in lines])
    low, high = max(0.0, float((means - halves).min())), min(1.0, float((means + halves).max()))
    room = _ROOM * (high - low) or _ROOM
    return max(0.0, low - room), high + room  # a dot at 100 % is seen whole
