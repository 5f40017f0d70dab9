"""Where every mark of a chart goes: geometry in viewBox units, which the template turns into SVG.

Charts are small on purpose: scaled to half a desktop page or to a whole phone page, their text stays readable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alcli.reporting.page import Histogram, RoundLine

WIDTH, HEIGHT = 400.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 388.0, 14.0, 204.0
ASIDE = 6.0  # an interval stands beside the value measured in the same round, not over it
FAINT = 0.04  # a selected part below this share of the tallest bar would not be seen on a linear scale


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis, in viewBox units."""

    at: float
    text: str


@dataclass(frozen=True)
class Mark:
    """A value in a chart.

    Attributes:
        x: Its place across.
        y: Its place down.
        text: What it says when pointed at.
        low: Lower end of its interval (further down, so the larger number); equal to `y` without one.
        high: Upper end of its interval.
    """

    x: float
    y: float
    text: str
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """Values that belong together, joined in order of rounds."""

    name: str
    style: str
    marks: Sequence[Mark]

    @property
    def points(self) -> str:
        """The `points` of an SVG polyline."""
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)


@dataclass(frozen=True)
class Bar:
    """A bar from the baseline up, with its highlighted part at the bottom or the top.

    Attributes:
        x: Left edge.
        width: Of the bar.
        y: Top of the whole bar.
        height: Of the whole bar.
        part_y: Top of the highlighted part.
        part_height: Of the highlighted part.
        text: What it says when pointed at.
    """

    x: float
    width: float
    y: float
    height: float
    part_y: float
    part_height: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A drawing with two axes.

    Attributes:
        description: For those who cannot see it.
        x_title: What goes across.
        x: Ticks across.
        y: Ticks down.
        lines: Joined values.
        bars: Bars.
        cut: A vertical line with its text; None for none.
        bent: Whether heights grow with the square root of the counts.
    """

    description: str
    x_title: str
    x: Sequence[Tick]
    y: Sequence[Tick]
    lines: Sequence[Line] = ()
    bars: Sequence[Bar] = ()
    cut: Tick | None = None
    bent: bool = False


def accuracy(rounds: Sequence[RoundLine]) -> Chart | None:
    """Draw accuracy over rounds: one line per split it was measured on, audits with their intervals.

    Args:
        rounds: Oldest first.

    Returns:
        The chart; None where no round has an accuracy.
    """
    series = _series(rounds)
    values = [value for _, _, points in series for _, *triple in points for value in triple]
    if not values:
        return None
    numbers = [line.number for line in rounds]
    span = max(max(values) - min(values), 0.02)
    steps = nice(max(min(values) - 0.1 * span, 0.0), min(max(values) + 0.1 * span, 1.0), 5)
    across = _scale(min(numbers) - 0.5, max(numbers) + 0.5, LEFT, RIGHT)
    down = _scale(min(*values, steps[0]), max(*values, steps[-1]), BOTTOM, TOP)
    lines = [
        Line(name, style, [_mark(point, across, down, name) for point in points])
        for name, style, points in series
    ]
    return Chart(
        description="Accuracy by round. The table below has the numbers.",
        x_title="round",
        x=_round_ticks(numbers, across),
        y=[Tick(down(step), _percent(step, steps)) for step in steps],
        lines=lines,
    )


def labels(rounds: Sequence[RoundLine]) -> Chart | None:
    """Draw labels after each round as bars whose upper part is what the round brought.

    Args:
        rounds: Oldest first.

    Returns:
        The chart; None where there is no label at all.
    """
    most = max((line.labels for line in rounds), default=0)
    if most == 0:
        return None
    numbers = [line.number for line in rounds]
    steps = nice_counts(most, 4)
    across = _scale(min(numbers) - 0.5, max(numbers) + 0.5, LEFT, RIGHT)
    down = _scale(0, max(most, steps[-1]), BOTTOM, TOP)
    width = min(0.7 * (across(1) - across(0)), 46.0)
    bars = []
    before = rounds[0].labels if rounds[0].number == 0 else 0  # the start belongs to no round
    for line in rounds:
        gained = max(line.labels - before, 0)
        top = down(line.labels)
        place = f"Round {line.number}" if line.number else "Start"
        text = f"{place}: {line.labels:,} labels, {gained:,} of them new"
        part = down(line.labels - gained) - top
        bars.append(Bar(across(line.number) - width / 2, width, top, BOTTOM - top, top, part, text))
        before = line.labels
    return Chart(
        description="Labels after each round. The table below has the numbers.",
        x_title="round",
        x=_round_ticks(numbers, across),
        y=[Tick(down(step), f"{step:,.0f}") for step in steps],
        bars=bars,
    )


def histogram(scores: Histogram) -> Chart | None:
    """Draw the scores of a round with the selected part of each bar and the cut.

    Where the selected parts would be too small to see, heights follow the square root of the counts.

    Args:
        scores: Bins with their counts.

    Returns:
        The chart; None where all bins are empty or the bounds are not finite.
    """
    most = max(scores.counts, default=0)
    first, last = (scores.edges[0], scores.edges[-1]) if scores.edges else (0.0, 0.0)
    if most == 0 or not math.isfinite(last - first):
        return None
    bent = 0 < max(scores.selected, default=0) < FAINT * most
    if first == last:  # all scores are one: give the only bar a width
        first, last = first - 0.5, last + 0.5
    across = _scale(first, last, LEFT, RIGHT)
    down = _height(most, bent=bent)
    edges = scores.edges if scores.edges[0] != scores.edges[-1] else (first, last)
    bins = zip(edges[:-1], edges[1:], scores.counts, scores.selected, strict=False)
    steps = nice_counts(most, 4)
    return Chart(
        description=f"{scores.about}: images by score, the selected ones highlighted.",
        x_title="score",
        x=[Tick(across(step), f"{step:g}") for step in nice(first, last, 6) if first <= step <= last],
        y=[Tick(down(step), f"{step:,.0f}") for step in steps if step <= most],
        bars=[_bin(low, high, count, part, across, down) for low, high, count, part in bins if count],
        cut=_cut(scores.cut, first, last, across),
        bent=bent,
    )


def nice(low: float, high: float, about: int) -> list[float]:
    """Choose round numbers that cover an interval.

    Args:
        low: Lower end.
        high: Upper end, not below `low`.
        about: How many numbers are wanted, roughly.

    Returns:
        Multiples of 1, 2 or 5 times a power of ten, ascending; the first is at most `low` and the last at least
        `high`.
    """
    rough = (high - low) / max(about - 1, 1) or max(abs(high), 1.0)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.999 * rough)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def nice_counts(most: int, about: int) -> list[float]:
    """Choose round whole numbers from 0 to at least `most`; see `nice`."""
    return [step for step in nice(0, most, about) if step.is_integer()]


def _series(
    rounds: Sequence[RoundLine],
) -> list[tuple[str, str, list[tuple[int, float, float, float]]]]:
    """Return names, styles and (round, value, low, high) of every line that has a value."""
    found = []
    for split, name in (("val", "on validation images"), ("test", "on test images")):
        points = [
            (line.number, line.accuracy, line.accuracy, line.accuracy)
            for line in rounds
            if line.measured_on == split and line.accuracy is not None
        ]
        found.append((name, split, points))
    audits = [(line.number, *line.audit) for line in rounds if line.audit is not None]
    found.append(("by audit, with interval", "audit", audits))
    return [entry for entry in found if entry[2]]


def _mark(
    point: tuple[int, float, float, float],
    across: Callable[[float], float],
    down: Callable[[float], float],
    name: str,
) -> Mark:
    number, value, low, high = point
    interval = f" ({100 * low:.1f} to {100 * high:.1f} %)" if low < high else ""
    text = f"Round {number}: {100 * value:.1f} % {name}{interval}"
    beside = ASIDE if low < high else 0.0
    return Mark(across(number) + beside, down(value), text, down(low), down(high))


def _bin(
    low: float,
    high: float,
    count: int,
    part: int,
    across: Callable[[float], float],
    down: Callable[[float], float],
) -> Bar:
    x, width = across(low), across(high) - across(low)
    gap = min(1.0, 0.15 * width)
    # A single image among thousands still shows.
    top = min(down(count), BOTTOM - 1.5)
    part_top = min(down(part), BOTTOM - 1.5) if part else BOTTOM
    text = f"{low:.4g} to {high:.4g}: {count:,} images, {part:,} selected"
    return Bar(x + gap / 2, width - gap, top, BOTTOM - top, part_top, BOTTOM - part_top, text)


def _cut(cut: float | None, first: float, last: float, across: Callable[[float], float]) -> Tick | None:
    if cut is None or not first <= cut <= last:
        return None
    return Tick(across(cut), f"cut at {cut:.4g}")


def _height(most: int, *, bent: bool) -> Callable[[float], float]:
    if bent:
        return lambda count: BOTTOM - (BOTTOM - TOP) * math.sqrt(count / most)
    return _scale(0, most, BOTTOM, TOP)


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (end - start) * (value - low) / (high - low)


def _round_ticks(numbers: Sequence[int], across: Callable[[float], float]) -> list[Tick]:
    step = max(1, math.ceil(len(numbers) / 10))
    return [Tick(across(number), str(number)) for number in numbers[::step]]


def _percent(share: float, steps: Sequence[float]) -> str:
    digits = 0 if all(abs(100 * step - round(100 * step)) < 1e-6 for step in steps) else 1
    return f"{100 * share:.{digits}f} %"
