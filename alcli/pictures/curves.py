"""Learning curves, and the precision of pseudo-labels, over the rounds of a simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alcli.errors import UsageError
from alcli.pictures import averages, canvas
from alcli.pictures.averages import Columns, Line
from alcli.pictures.canvas import Look
from alcli.pictures.dots import dots
from alcli.verdict import BASELINE, REFERENCE

METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1"}

_FIRST = "first labels"
_PRECISION = "precision of pseudo-labels"
_MANY = 6  # from here on lines and bands are lighter, not to drown each other, and the picture higher
_MOST_BANDS = 12  # of more methods they would hide the lines: only the baseline's is drawn


def learning_curves(columns: Columns, *, metric: str = "accuracy") -> Figure:
    """Draw each method's mean over seeds against labels, with its 95 % t interval as a band.

    Methods whose number of labels never changes, because they add pseudo-labels only, are drawn against
    rounds, in a panel of their own if there are others. `random` is dashed and dark grey, beneath the rest;
    the reference `all labels` is a horizontal line, and then so is, dotted, what the first labels give. The legend is
    sorted by final value. Among more than twelve methods only `random` has its band. Where there is one round only,
    methods are dots, one beneath the other.

    Args:
        columns: Sequences of one length: `method`, `seed`, `round`, `labels`, `error` (None, or the seed is
            left out) and the metric, in [0, 1]; one row per method, seed and round.
        metric: `accuracy` or `macro_f1`.

    Raises:
        UsageError: There is no such metric.
        InputRejected: A column is missing or of another length, or no row holds a value.
    """
    if metric not in METRICS:
        raise UsageError(f"{metric} is no metric of a simulation", hint=f"one of: {', '.join(METRICS)}")
    lines = averages.lines(columns, metric)
    references = [line for line in lines if line.method == REFERENCE]
    curves = [line for line in lines if line.method != REFERENCE]
    spending = [line for line in curves if line.spends]
    waiting = [line for line in curves if not line.spends]
    if references:
        references += [_at_first(line) for line in curves if line.method == BASELINE and len(line.rounds) > 1]
    looks = canvas.looks([line.method for line in curves])
    if curves and _measured_once(curves):
        words = {line.method: _value(line) for line in lines}
        return dots(lines, looks, _title(METRICS[metric], _spent(curves), lines), words)
    panels = [("labels", spending)] if spending or not waiting else []
    panels += [("rounds", waiting)] if waiting else []
    heights = [4.7 if len(shown) < _MANY else 5.8 for _, shown in panels]  # inches
    with canvas.drawing(sum(heights)) as figure:
        grid = figure.subplots(len(panels), squeeze=False, height_ratios=heights)[:, 0]
        for axes, (against, shown) in zip(grid, panels, strict=True):
            _draw_panel(axes, shown, references, looks, against)
            axes.set_title(_title(METRICS[metric], f"against {against}", [*shown, *references]))
    return figure


def pseudo_precision(columns: Columns) -> Figure:
    """Draw which share of the pseudo-labels is right, round by round, and below how many there are.

    Args:
        columns: As for `learning_curves`, with `pseudo_precision` in [0, 1] (None or NaN where a row has no
            pseudo-labels) and `pseudo_labels`.

    Raises:
        InputRejected: A column is missing or of another length, or no row has pseudo-labels.
    """
    lines = averages.lines(columns, "pseudo_precision")
    counts = {line.method: line for line in averages.lines(columns, "pseudo_labels")}
    # All methods, so that each looks as in `learning_curves`.
    looks = canvas.looks([method for method in counts if method != REFERENCE])
    if _measured_once(lines):
        number = lines[0].rounds[0]
        made = {method: dict(zip(line.rounds, line.mean, strict=True)) for method, line in counts.items()}
        words = {line.method: f"{_value(line)} of {made[line.method][number]:,.0f}" for line in lines}
        return dots(lines, looks, _title(_PRECISION, f"in round {number:.0f}", lines), words)
    with canvas.drawing(5.6) as figure:
        above, below = figure.subplots(2, sharex=True, height_ratios=(3, 1.1))
        _draw_panel(above, lines, [], looks, "rounds")
        above.set_xlabel("")
        above.set_title(_title(_PRECISION, "against rounds", lines))
        _draw_counts(below, [counts[line.method] for line in lines if line.method in counts], looks)
    return figure


def _draw_panel(
    axes: Axes, lines: Sequence[Line], references: Sequence[Line], looks: dict[str, Look], against: str
) -> None:
    """Draw lines with bands and references, and a legend in order of final values."""
    handles = [_draw_reference(axes, line) for line in references]
    handles += [_draw_line(axes, line, looks[line.method], against, len(lines)) for line in lines]
    everything = [*references, *lines]
    order = sorted(range(len(everything)), key=lambda at: (-everything[at].mean[-1], everything[at].method))
    words = [_final(everything[at]) for at in order]
    canvas.beside(axes, [handles[at] for at in order], words, handlelength=3.2)
    axes.set_xlabel("labels" if against == "labels" else "round")
    canvas.shares(axes.yaxis)
    canvas.counted(axes, "x")
    axes.margins(x=0.02)
    low, high = axes.get_ylim()  # a wide interval knows no bounds, a share does
    low = max(low, 0.0)
    axes.set_ylim(low, min(high, 1.0 + 0.02 * (1.0 - low)))


def _draw_line(axes: Axes, line: Line, look: Look, against: str, among: int) -> Line2D:
    x = line.labels if against == "labels" else line.rounds
    many = among >= _MANY
    drawn = axes.plot(
        x, line.mean, color=look.colour, linestyle=look.dash, linewidth=look.width * (0.8 if many else 1),
        marker=look.marker, markersize=4.4 if many else 5.2, markeredgecolor="white",
        markeredgewidth=0.3 if many else 0.6, markevery=max(1, len(x) // 10), label=line.method,
        zorder=look.order,
    )[0]  # fmt: skip
    banded = among <= _MOST_BANDS or line.method == BASELINE
    if banded and np.isfinite(line.half_width).any():
        low, high = line.mean - line.half_width, line.mean + line.half_width
        axes.fill_between(
            x, low, high, color=look.colour, linewidth=0, alpha=0.08 if many else 0.14,
            label=line.method, zorder=look.order - 1,
        )  # fmt: skip
        if len(x) == 1:  # a band of no width cannot be seen
            axes.vlines(x, low, high, color=look.colour, linewidth=1.2, zorder=look.order)
    return drawn


def _draw_counts(axes: Axes, lines: Sequence[Line], looks: dict[str, Look]) -> None:
    """Draw how many pseudo-labels there are; one line where all methods have as many."""
    same = len({(*line.rounds, *line.mean) for line in lines}) == 1 < len(lines)
    for line in lines[:1] if same else lines:
        look = looks[line.method]
        axes.plot(
            line.rounds, line.mean, color=canvas.GREY if same else look.colour, linewidth=1.1,
            linestyle="-" if same else look.dash, label=line.method, zorder=look.order,
        )  # fmt: skip
    axes.set_title(f"Number of pseudo-labels{', the same for all methods' if same else ''}", fontsize=9.5)
    axes.set_xlabel("round")
    axes.set_ylim(bottom=0)
    canvas.counted(axes, "x", "y")


def _at_first(line: Line) -> Line:
    """Return what the baseline begins with, as the others do: a line to look down to."""
    first = {name: getattr(line, name)[:1] for name in ("rounds", "labels", "mean", "half_width", "seeds")}
    return Line(_FIRST, **first)


def _draw_reference(axes: Axes, line: Line) -> Line2D:
    """Draw the last mean of a reference from edge to edge, with its interval where no curve has it already."""
    mean, half, first = line.mean[-1], line.half_width[-1], line.method == _FIRST
    if np.isfinite(half) and not first:
        axes.axhspan(mean - half, mean + half, color=canvas.GREY, alpha=0.12, linewidth=0, label=line.method)
    return axes.axhline(
        mean, color=canvas.GREY, linestyle=":" if first else "-", linewidth=1.1, label=line.method, zorder=1.5
    )


def _measured_once(lines: Sequence[Line]) -> bool:
    """Tell whether there is one round and no other: lines of one point each would hide each other."""
    return len({number for line in lines for number in line.rounds}) == 1


def _spent(lines: Sequence[Line]) -> str:
    labels = {line.labels[-1] for line in lines}
    return f"with {labels.pop():,.0f} labels" if len(labels) == 1 else f"in round {lines[0].rounds[0]:.0f}"


def _final(line: Line) -> str:
    """Name a line and the value that it ends with."""
    return f"{canvas.plain(line.method)}  {_value(line)}"


def _value(line: Line) -> str:
    mean, half = 100 * line.mean[-1], 100 * line.half_width[-1]
    return f"{mean:.1f} ± {half:.1f} %" if np.isfinite(half) else f"{mean:.1f} %"


def _title(what: str, where: str, lines: Sequence[Line]) -> str:
    about = f"{what[0].upper()}{what[1:]} {where}"
    if max(int(line.seeds.max()) for line in lines) == 1:
        return f"{about}: one seed, so no interval"
    return f"{about}: means of {averages.seeds(lines)}, 95 % t intervals"
