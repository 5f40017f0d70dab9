"""Where the marks of charts are: by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest
from alcli.reporting import charts
from alcli.reporting.page import Histogram, RoundLine

FIRST = RoundLine(0, "", 0, 10, None, "", None, [5, 5], None)
SECOND = RoundLine(1, "margin", 10, 20, 0.5, "val", (0.6, 0.4, 0.8), [10, 10], "0001-aaaaaa")


@pytest.mark.parametrize(
    ("low", "high", "about", "expected"),
    [
        (0, 100, 5, [0, 50, 100]),
        (0, 1, 6, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.62, 0.91, 5, [0.6, 0.7, 0.8, 0.9, 1.0]),
        (0, 7, 4, [0, 5, 10]),
        (-0.5, 0.5, 3, [-0.5, 0, 0.5]),
        (3, 3, 5, [0, 5]),
        (0, 0, 5, [0]),
    ],
)
def test_nice_numbers(low: float, high: float, about: int, expected: list[float]) -> None:
    assert charts.nice(low, high, about) == pytest.approx(expected)


def test_accuracy_and_its_audit_stand_side_by_side() -> None:
    chart = charts.accuracy([FIRST, SECOND])
    assert chart is not None
    measured, audit = chart.lines
    assert (measured.style, audit.style) == ("val", "audit")
    assert audit.marks[0].x == measured.marks[0].x + charts.ASIDE
    low, value, high = audit.marks[0].low, audit.marks[0].y, audit.marks[0].high
    assert value - high == pytest.approx(low - value), "0.4 and 0.8 are as far from 0.6"
    assert high < measured.marks[0].y < low
    assert charts.TOP <= high <= low <= charts.BOTTOM
    assert measured.marks[0].text == "Round 1: 50.0 % on validation images"
    assert audit.marks[0].text.endswith("60.0 % by audit, with interval (40.0 to 80.0 %)")


def test_no_accuracy_no_chart() -> None:
    assert charts.accuracy([FIRST]) is None
    assert charts.accuracy([]) is None


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_single_accuracy_is_inside_the_frame(value: float) -> None:
    chart = charts.accuracy([dataclasses.replace(SECOND, accuracy=value, audit=None)])
    assert chart is not None
    (mark,) = chart.lines[0].marks
    assert charts.TOP <= mark.y <= charts.BOTTOM
    assert charts.LEFT < mark.x < charts.RIGHT
    assert all(0 <= float(tick.text.rstrip(" %")) <= 100 for tick in chart.y)


def test_label_bars_show_what_a_round_brought() -> None:
    chart = charts.labels([FIRST, SECOND])
    assert chart is not None
    start, first = chart.bars
    assert start.part_height == 0, "labels of the start belong to no round"
    assert first.height == pytest.approx(2 * start.height)
    assert first.part_height == pytest.approx(start.height)
    assert first.text == "Round 1: 20 labels, 10 of them new"


def test_labels_that_were_taken_back_draw_no_part() -> None:
    chart = charts.labels([FIRST, dataclasses.replace(SECOND, labels=8)])
    assert chart is not None
    assert chart.bars[1].part_height == 0


def test_no_labels_no_chart() -> None:
    assert charts.labels([]) is None
    assert charts.labels([dataclasses.replace(FIRST, labels=0)]) is None


def test_histogram_heights_are_counts() -> None:
    chart = charts.histogram(Histogram([0, 1, 2, 3], [10, 0, 5], [0, 0, 5], 2.5, "margin"))
    assert chart is not None
    assert not chart.bent
    assert chart.cut is not None
    full = charts.BOTTOM - charts.TOP
    assert [bar.height for bar in chart.bars] == pytest.approx([full, full / 2])
    assert chart.bars[1].part_height == pytest.approx(full / 2)
    assert chart.cut.at == pytest.approx(charts.LEFT + (charts.RIGHT - charts.LEFT) * 2.5 / 3)
    assert chart.bars[1].text == "2 to 3: 5 images, 5 selected"


def test_a_few_selected_among_thousands_can_be_seen() -> None:
    chart = charts.histogram(Histogram([0, 1, 2], [10_000, 100], [0, 100], 1.0, "margin"))
    assert chart is not None
    assert chart.bent
    full = charts.BOTTOM - charts.TOP
    assert chart.bars[1].part_height == pytest.approx(full * math.sqrt(100 / 10_000))


@pytest.mark.parametrize(
    ("most", "ticks"), [(1, ["0", "1"]), (2, ["0", "1", "2"]), (3, ["0", "1", "2", "3"])]
)
def test_a_count_axis_has_whole_numbers(most: int, ticks: list[str]) -> None:
    chart = charts.histogram(Histogram([0, 1, 2], [most, 1], [0, 0], None, "margin"))
    assert chart is not None
    assert [tick.text for tick in chart.y] == ticks
    bars = charts.labels([RoundLine(0, "", 0, most, None, "", None, [most], None)])
    assert bars is not None
    assert [tick.text for tick in bars.y] == ticks


def test_a_histogram_of_one_score() -> None:
    chart = charts.histogram(Histogram([0.5, 0.5], [7], [7], 0.5, "random"))
    assert chart is not None
    assert chart.bars[0].width == pytest.approx(charts.RIGHT - charts.LEFT - 1)


@pytest.mark.parametrize(
    "scores",
    [
        Histogram([], [], [], None, ""),
        Histogram([0, 1], [0], [0], None, ""),
        Histogram([-math.inf, 1], [3], [0], None, ""),
    ],
    ids=["no bins", "empty bins", "endless bin"],
)
def test_no_scores_no_histogram(scores: Histogram) -> None:
    assert charts.histogram(scores) is None


def test_a_cut_outside_the_bins_is_not_drawn() -> None:
    chart = charts.histogram(Histogram([0, 1], [3], [0], 7.0, ""))
    assert chart is not None
    assert chart.cut is None
