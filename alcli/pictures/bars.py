"""How many labels each method needs to reach what random reaches with the whole budget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alcli.errors import InputRejected
from alcli.pictures import canvas


class Bar(NamedTuple):
    """What a method needs.

    Attributes:
        method: Its name.
        needed: Labels needed, mean over seeds; None where not every seed reaches the accuracy.
        half_width: Of the 95 % interval of `needed`; None where it is not known.
        budget: The whole budget of random, in labels.
        reached: Where `needed` is None, how many seeds reach it all the same.
        seeds: Of how many.
        baseline: Whether it is the one that the others are compared with: what it saves is by ups and downs alone.
    """

    method: str
    needed: float | None
    half_width: float | None
    budget: float
    reached: int = 0
    seeds: int = 0
    baseline: bool = False


def label_bars(bars: Iterable[Bar | tuple[str, float | None, float | None, float]]) -> Figure:
    """Draw a bar per method: the fewer labels it needs, the shorter the bar and the higher its place.

    A method that does not get there in every seed has a hatched bar of the whole budget, which says in how many it
    does: of the others nobody knows what they would need.

    Args:
        bars: Each a `Bar`, or a tuple of its first fields; NaN counts as None.

    Raises:
        InputRejected: There is no bar, or a budget is not above 0.
    """
    shown = sorted((_checked(Bar(*bar)) for bar in bars), key=_place)
    if not shown:
        raise InputRejected("there is no method to draw a bar of")
    with canvas.drawing(1.15 + 0.34 * len(shown)) as figure:
        axes = figure.subplots()
        longest = max(bar.budget for bar in shown)
        right = 1.03 * max(longest, *(_end(bar) for bar in shown))
        for at, bar in enumerate(shown):
            _draw(axes, at, bar)
            colour = canvas.GREY if bar.needed is None else canvas.INK
            axes.text(1.015 * right, at, _words(bar), va="center", color=colour)
        axes.axvline(longest, color=canvas.GREY, linestyle=(0, (4, 2)), linewidth=1, zorder=1.5)
        canvas.rows(axes, [bar.method for bar in shown])
        axes.set_xlim(0, right)
        canvas.counted(axes, "x")
        axes.set_xlabel("labels")
        axes.set_title("Labels needed to be as accurate as random with its whole budget")
    return figure


def _checked(bar: Bar) -> Bar:
    if not np.isfinite(bar.budget) or bar.budget <= 0:
        raise InputRejected(f"the budget of {bar.method} is {bar.budget} labels; it must be above 0")
    return bar._replace(needed=_known(bar.needed), half_width=_known(bar.half_width))


def _known(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _place(bar: Bar) -> tuple[bool, float, str]:
    """Fewest labels first, then those that get there in most seeds, those that never do last."""
    return bar.needed is None, -bar.reached if bar.needed is None else bar.needed, bar.method


def _end(bar: Bar) -> float:
    return bar.budget if bar.needed is None else bar.needed + (bar.half_width or 0.0)


def _draw(axes: Axes, at: int, bar: Bar) -> None:
    if bar.needed is None:
        axes.barh(at, bar.budget, 0.62, color="white", edgecolor=canvas.PALE, hatch="////", label=bar.method)
    else:
        colour = canvas.GREY if canvas.is_random(bar.method) else canvas.ACCENT
        axes.barh(at, bar.needed, 0.62, color=colour, label=bar.method)
        if bar.half_width:
            axes.errorbar(
                bar.needed, at, xerr=bar.half_width, color=canvas.INK, linewidth=1.2, capsize=3, zorder=4
            )


def _words(bar: Bar) -> str:
    if bar.needed is None:
        return f"there in {bar.reached} of {bar.seeds}" if bar.reached else "not reached"
    many = f"{bar.needed:,.0f}"
    if bar.half_width:
        many += f" ± {bar.half_width:,.0f}"
    if bar.baseline:
        return f"{many}, by ups and downs alone"
    saved = 1 - bar.needed / bar.budget
    if abs(saved) < 0.005:
        return many
    return f"{many}, {'saves' if saved > 0 else 'costs'} {abs(saved):.0%}".replace("%", " %")
