"""The ranks of the same images by two strategies, against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from alcli.errors import InputRejected, UsageError
from alcli.pictures import canvas

Ranks = NDArray[np.float64]

_POINTS = 5_000  # more than these hide each other, and swell an SVG: cells show how many there are


def rank_scatter(
    first: ArrayLike,
    second: ArrayLike,
    *,
    names: tuple[str, str],
    spearman: float | None,
    kendall: float | None = None,
    k: int | None = None,
) -> Figure:
    """Draw an image's rank by one strategy against its rank by another (Gissin & Shalev-Shwartz, 2019, Fig. 3).

    Above 5,000 images hexagons show by their shade how many lie there.

    Args:
        first: (n,) ranks by the first strategy; 1 is queried first.
        second: (n,) ranks of the same images by the second.
        names: The two strategies.
        spearman: Rank correlation, shown in the title; None where it is undefined.
        kendall: Kendall's tau, shown too if it is given.
        k: Images with a rank up to k, by either strategy, are marked as selected; None marks none.

    Raises:
        UsageError: The two differ in length, or are not vectors.
        InputRejected: There is no rank, or one is not finite.
    """
    x, y = _checked(first, second)
    with canvas.drawing(6.0) as figure:
        axes = figure.subplots()
        if len(x) > _POINTS:
            _draw_cells(figure, axes, x, y)
        else:
            size = float(np.clip(4_000 / len(x), 6, 28))
            axes.scatter(x, y, size, color=canvas.GREY, alpha=0.55, linewidth=0, label="images")
        if k is not None:
            _mark(axes, x, y, names, k)
        _frame(axes, x, y)
        axes.set_xlabel(f"rank by {canvas.plain(names[0])} (1 is queried first)")
        axes.set_ylabel(f"rank by {canvas.plain(names[1])} (1 is queried first)")
        axes.set_title(_title(names, len(x), spearman, kendall))
    return figure


def _checked(first: ArrayLike, second: ArrayLike) -> tuple[Ranks, Ranks]:
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise UsageError(f"ranks must be two vectors of one length; given {x.shape} and {y.shape}")
    if not len(x):
        raise InputRejected("no image has a rank by both strategies: there is nothing to draw")
    unknown = int((~np.isfinite(x) | ~np.isfinite(y)).sum())
    if unknown:
        raise InputRejected(f"{unknown} of {len(x)} images have a rank that is not a finite number")
    return x, y


def _draw_cells(figure: Figure, axes: Axes, x: Ranks, y: Ranks) -> None:
    """Draw hexagons, and their scale below the legend."""
    scale = PowerNorm(0.5, vmin=0)  # few images are seen too, where most lie along the diagonal
    cells = axes.hexbin(x, y, gridsize=36, cmap="Greys", norm=scale, linewidths=0.1, mincnt=1)
    cells.set_label("images")
    bar = figure.colorbar(cells, cax=axes.inset_axes((1.06, 0.02, 0.035, 0.42)))
    bar.outline.set_visible(False)
    bar.ax.set_title("images per cell", fontsize=9)
    canvas.counted(bar.ax, "y")


def _mark(axes: Axes, x: Ranks, y: Ranks, names: tuple[str, str], k: int) -> None:
    """Mark what either strategy selects, and draw the cuts where there are ranks beyond them."""
    by_first, by_second = x <= k, y <= k
    groups = [
        (f"only by {canvas.plain(names[0], 20)}", by_first & ~by_second, canvas.ACCENT, "s"),
        (f"only by {canvas.plain(names[1], 20)}", by_second & ~by_first, "#009e73", "^"),
        ("by both", by_first & by_second, canvas.WARM, "o"),
    ]
    handles, words = [], []
    size = float(np.clip(6_000 / max(1, (by_first | by_second).sum()), 7, 24))
    for word, mask, colour, marker in groups:
        if 0 < mask.sum() <= _POINTS:
            drawn = axes.scatter(
                x[mask], y[mask], size, color=colour, marker=marker, linewidth=0, label=word, zorder=4
            )
            handles.append(drawn)
            words.append(f"{word} ({int(mask.sum()):,})")
    cut: dict[str, Any] = {"color": canvas.GREY, "linewidth": 0.9, "linestyle": (0, (4, 2))}
    if x.max() > k:
        axes.axvline(k + 0.5, **cut)
    if y.max() > k:
        axes.axhline(k + 0.5, **cut)
    if handles:
        canvas.beside(
            axes, handles, words, title=f"first {k:,} selected", alignment="left", handletextpad=0.2,
            markerscale=float((28 / size) ** 0.5),
        )  # fmt: skip


def _frame(axes: Axes, x: Ranks, y: Ranks) -> None:
    """Show all ranks from 1 on, in a square."""
    for values, limit in ((x, axes.set_xlim), (y, axes.set_ylim)):
        top = float(values.max())
        margin = 0.02 * max(top, 4.0)
        limit(1 - margin, top + margin)
    axes.set_box_aspect(1)
    canvas.counted(axes, "x", "y")


def _title(names: tuple[str, str], n: int, spearman: float | None, kendall: float | None) -> str:
    rho = "undefined" if spearman is None or not np.isfinite(spearman) else f"{spearman:.2f}"
    words = [f"Spearman's ρ = {rho}".replace("= undefined", "undefined")]
    if kendall is not None and np.isfinite(kendall):
        words.append(f"Kendall's τ = {kendall:.2f}")
    what = f"{canvas.plain(names[0], 24)} and {canvas.plain(names[1], 24)}"
    return f"{what}: {', '.join(words)}, {n:,} image{'s' if n > 1 else ''}"
