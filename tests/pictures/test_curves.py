"""Learning curves and precision of pseudo-labels: what is drawn is what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from alcli.errors import InputRejected, UsageError
from alcli.pictures import learning_curves, pseudo_precision
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from scipy import stats

Make = Callable[..., dict[str, list[Any]]]

MARGIN = [[0.60, 0.80, 0.90], [0.62, 0.78, 0.94], [0.64, 0.82, 0.92]]
RANDOM = [[0.60, 0.70, 0.80], [0.62, 0.74, 0.84], [0.64, 0.72, 0.85]]


def line(axes: Axes, method: str) -> Any:
    return next(line for line in axes.lines if line.get_label() == method)


def band(axes: Axes, method: str) -> PolyCollection:
    found = [drawn for drawn in axes.collections if drawn.get_label() == method]
    assert len(found) == 1
    assert isinstance(found[0], PolyCollection)
    return found[0]


def edges(area: PolyCollection, x: float) -> tuple[float, float]:
    """Return the lowest and the highest corner of a band at x."""
    corners = area.get_paths()[0].vertices
    at = corners[np.isclose(corners[:, 0], x), 1]
    return float(at.min()), float(at.max())


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def test_means_and_t_intervals_against_labels(simulated: Make) -> None:
    figure = learning_curves(simulated({"margin": MARGIN, "random": RANDOM}))
    (axes,) = figure.axes
    drawn = line(axes, "margin")
    assert drawn.get_xdata() == pytest.approx([100, 150, 200])
    assert drawn.get_ydata() == pytest.approx([0.62, 0.80, 0.92])
    low, high = stats.t.interval(0.95, 2, loc=0.92, scale=stats.sem([0.90, 0.94, 0.92]))
    assert edges(band(axes, "margin"), 200) == pytest.approx((low, high))
    assert axes.get_xlabel() == "labels"
    assert axes.get_title(loc="left") == "Accuracy against labels: means of 3 seeds, 95 % t intervals"


def test_the_other_metric(simulated: Make) -> None:
    (axes,) = learning_curves(simulated({"margin": MARGIN}), metric="macro_f1").axes
    assert line(axes, "margin").get_ydata() == pytest.approx([0.57, 0.75, 0.87])
    assert axes.get_title(loc="left").startswith("Macro-F1 against labels")
    with pytest.raises(UsageError, match="loss is no metric") as failure:
        learning_curves(simulated({"margin": MARGIN}), metric="loss")
    assert failure.value.hint == "one of: accuracy, macro_f1"


def test_random_is_grey_dashed_and_beneath(simulated: Make) -> None:
    (axes,) = learning_curves(simulated({"random": RANDOM, "margin": MARGIN, "badge": RANDOM})).axes
    random, others = line(axes, "random"), [line(axes, "margin"), line(axes, "badge")]
    assert random.is_dashed()
    red, green, blue = (int(random.get_color()[at : at + 2], 16) for at in (1, 3, 5))
    assert max(red, green, blue) - min(red, green, blue) < 20
    assert all(random.get_zorder() < other.get_zorder() for other in others)
    assert not any(other.is_dashed() for other in others)


def test_the_legend_is_in_order_of_final_values(simulated: Make) -> None:
    columns = simulated({"random": RANDOM, "margin": MARGIN, "all labels": [[0.99], [0.97]]})
    (axes,) = learning_curves(columns).axes
    half = stats.t.ppf(0.975, 2) * 100 * stats.sem([0.80, 0.84, 0.85])
    assert legend(axes)[1:3] == ["margin  92.0 ± 5.0 %", f"random  83.0 ± {half:.1f} %"]
    assert legend(axes)[3].startswith("first labels  ")
    assert legend(axes)[0].startswith("all labels  98.0 ± ")


def test_the_reference_is_a_horizontal_line_with_a_band(simulated: Make) -> None:
    (axes,) = learning_curves(simulated({"margin": MARGIN, "all labels": [[0.99], [0.97]]})).axes
    assert line(axes, "all labels").get_ydata() == pytest.approx([0.98, 0.98])
    (area,) = [patch for patch in axes.patches if patch.get_label() == "all labels"]
    low, high = stats.t.interval(0.95, 1, loc=0.98, scale=stats.sem([0.99, 0.97]))
    assert (area.get_y(), area.get_y() + area.get_height()) == pytest.approx((low, high))


def test_the_first_labels_are_a_reference_too_if_there_is_one(simulated: Make) -> None:
    (axes,) = learning_curves(simulated({"random": RANDOM, "all labels": [[0.99], [0.97]]})).axes
    first = [values[0] for values in RANDOM]
    assert line(axes, "first labels").get_ydata() == pytest.approx([np.mean(first)] * 2)
    assert line(axes, "first labels").get_linestyle() == ":"
    (axes,) = learning_curves(simulated({"random": RANDOM})).axes
    assert [drawn.get_label() for drawn in axes.lines] == ["random"]


def test_the_reference_alone_can_be_drawn(simulated: Make) -> None:
    (axes,) = learning_curves(simulated({"all labels": [[0.99], [0.97]]})).axes
    assert len(axes.lines) == 1


def test_pseudo_labels_only_are_drawn_against_rounds(simulated: Make) -> None:
    (axes,) = learning_curves(simulated({"triplet-margin+pseudo": MARGIN, "random+pseudo": RANDOM})).axes
    assert line(axes, "triplet-margin+pseudo").get_xdata() == pytest.approx([0, 1, 2])
    assert axes.get_xlabel() == "round"
    assert line(axes, "random+pseudo").is_dashed()


def test_both_kinds_have_a_panel_each(simulated: Make) -> None:
    columns = simulated({"triplet-margin+pseudo": MARGIN, "margin": MARGIN, "all labels": [[0.99]]})
    above, below = learning_curves(columns).axes
    assert [drawn.get_label() for drawn in above.lines] == ["all labels", "margin"]
    assert [drawn.get_label() for drawn in below.lines] == ["all labels", "triplet-margin+pseudo"]
    assert line(above, "margin").get_color() != line(below, "triplet-margin+pseudo").get_color()


def test_one_seed_has_no_band(simulated: Make) -> None:
    (axes,) = learning_curves(simulated({"margin": MARGIN[:1], "random": RANDOM[:1]})).axes
    assert not axes.collections
    assert axes.get_title(loc="left") == "Accuracy against labels: one seed, so no interval"
    assert legend(axes) == ["margin  90.0 %", "random  80.0 %"]


def test_a_line_that_ends_at_once_shows_its_interval(simulated: Make) -> None:
    (axes,) = learning_curves(simulated({"margin": [[0.8], [0.9]], "random": RANDOM})).axes
    (stroke,) = [drawn for drawn in axes.collections if not isinstance(drawn, PolyCollection)]
    low, high = stats.t.interval(0.95, 1, loc=0.85, scale=stats.sem([0.8, 0.9]))
    assert stroke.get_segments()[0][:, 1] == pytest.approx([low, high])


def test_one_round_is_a_dot_for_each_method_the_best_on_top(simulated: Make) -> None:
    seeds = {"random": [[0.7], [0.8]], "random+ceal": [[0.6], [0.6]], "random+mixup": [[0.8], [0.9]]}
    (axes,) = learning_curves(simulated(seeds)).axes
    assert axes.get_title(loc="left") == "Accuracy with 100 labels: means of 2 seeds, 95 % t intervals"
    assert [text.get_text() for text in axes.get_yticklabels()] == ["random+mixup", "random", "random+ceal"]
    dots = {container.get_label(): container for container in axes.containers}
    point, _, (interval,) = dots["random+mixup"].lines
    assert (point.get_xdata(), point.get_ydata()) == (pytest.approx([0.85]), [0])
    low, high = stats.t.interval(0.95, 1, loc=0.85, scale=stats.sem([0.8, 0.9]))
    assert interval.get_segments()[0][:, 0] == pytest.approx([low, high])
    assert [text.get_text() for text in axes.texts] == ["85.0 ± 63.5 %", "75.0 ± 63.5 %", "60.0 ± 0.0 %"]
    assert len({container.lines[0].get_color() for container in axes.containers}) == 3
    assert axes.get_xlim()[0] >= 0
    assert 1 <= axes.get_xlim()[1] < 1.1
    (baseline,) = [drawn for drawn in axes.lines if drawn.is_dashed()]
    assert list(baseline.get_xdata()) == pytest.approx([0.75, 0.75])


def test_one_round_of_one_seed_has_no_interval(simulated: Make) -> None:
    (axes,) = learning_curves(simulated({"margin": [[0.8]], "all labels": [[0.9]]})).axes
    assert [text.get_text() for text in axes.texts] == ["90.0 %", "80.0 %"]
    assert all(not container.has_xerr for container in axes.containers)


def test_pseudo_labels_of_one_round_are_dots_with_their_number(simulated: Make) -> None:
    margin = [row[:2] for row in MARGIN]
    columns = simulated({"margin+pseudo": margin, "random": RANDOM, "all labels": [[0.99]]})
    (axes,) = pseudo_precision(columns).axes
    assert axes.get_title(loc="left").startswith("Precision of pseudo-labels in round 1: means of 3 seeds")
    half = stats.t.ppf(0.975, 2) * 100 * stats.sem([0.89, 0.888, 0.886])
    assert [text.get_text() for text in axes.texts] == [f"88.8 ± {half:.1f} % of 50"]


def test_a_failed_seed_is_left_out_whole(simulated: Make) -> None:
    columns = simulated({"margin": [*MARGIN, [0.1, 0.1]], "random": RANDOM})
    failing = len(MARGIN) * 3 + 1  # the fourth seed's second round
    columns["error"][failing], columns["accuracy"][failing] = "out of memory", None
    (axes,) = learning_curves(columns).axes
    assert line(axes, "margin").get_ydata() == pytest.approx([0.62, 0.80, 0.92])
    columns["error"] = [
        math.nan if error is None else error for error in columns["error"]
    ]  # as pandas has it
    assert line(learning_curves(columns).axes[0], "margin").get_ydata() == pytest.approx([0.62, 0.80, 0.92])


def test_a_seed_that_is_not_finished_is_left_out_whole(simulated: Make) -> None:
    columns = simulated({"margin": [*MARGIN, [0.1, 0.1]], "random": RANDOM})
    (axes,) = learning_curves(columns).axes
    assert line(axes, "margin").get_ydata() == pytest.approx([0.62, 0.80, 0.92])


def test_a_value_that_is_not_known_is_left_out(simulated: Make) -> None:
    columns = simulated({"margin": MARGIN})
    columns["accuracy"][2] = math.nan
    (axes,) = learning_curves(columns).axes
    assert line(axes, "margin").get_ydata() == pytest.approx([0.62, 0.80, 0.93])
    assert "2 to 3 seeds" in axes.get_title(loc="left")


def test_eleven_methods_are_told_apart_without_colour(simulated: Make) -> None:
    methods = [f"method-{number}" for number in range(10)]
    (axes,) = learning_curves(simulated({"random": RANDOM, **dict.fromkeys(methods, MARGIN)})).axes
    drawn = [line(axes, method) for method in methods]
    assert len({one.get_color() for one in drawn}) == 10
    assert len({(one.get_marker(), str(one._dash_pattern)) for one in drawn}) == 10


@pytest.mark.parametrize(("others", "bands"), [(11, 12), (12, 1)])
def test_bands_of_many_methods_do_not_hide_the_lines(simulated: Make, others: int, bands: int) -> None:
    methods = {"random": RANDOM, **{f"strategy-{number}": MARGIN for number in range(others)}}
    (axes,) = learning_curves(simulated(methods)).axes
    assert len(axes.lines) == others + 1
    assert len(axes.collections) == bands
    assert band(axes, "random")
    assert all("±" in said for said in legend(axes))


@pytest.mark.parametrize("draw", [learning_curves, pseudo_precision])
def test_nothing_to_draw_is_refused(simulated: Make, draw: Callable[..., Figure]) -> None:
    with pytest.raises(InputRejected, match="none of 0 rows holds a"):
        draw(simulated({}))
    columns = simulated({"margin": MARGIN})
    columns["error"] = ["crashed"] * 9
    with pytest.raises(InputRejected, match="none of 9 rows holds a") as failure:
        draw(columns)
    assert failure.value.details == ["crashed"]


def test_columns_that_do_not_fit_are_refused(simulated: Make) -> None:
    columns = simulated({"margin": MARGIN})
    with pytest.raises(InputRejected, match="lack the column labels"):
        learning_curves({name: column for name, column in columns.items() if name != "labels"})
    with pytest.raises(InputRejected, match=r"differ in length: .*seed 8"):
        learning_curves({**columns, "seed": columns["seed"][1:]})


def test_precision_by_round_with_the_number_below(simulated: Make) -> None:
    columns = simulated({"margin": MARGIN, "triplet-margin+pseudo": MARGIN, "random+pseudo": RANDOM})
    above, below = pseudo_precision(columns).axes
    assert [drawn.get_label() for drawn in above.lines] == ["triplet-margin+pseudo", "random+pseudo"]
    drawn = line(above, "triplet-margin+pseudo")
    assert drawn.get_xdata() == pytest.approx([1, 2])  # the model of round 0 has no pseudo-labels
    assert drawn.get_ydata() == pytest.approx([0.888, 0.878])
    low, high = stats.t.interval(0.95, 2, loc=0.888, scale=stats.sem([0.89, 0.888, 0.886]))
    assert edges(band(above, "triplet-margin+pseudo"), 1) == pytest.approx((low, high))
    assert [list(drawn.get_ydata()) for drawn in below.lines] == [[0, 50, 100]]
    assert below.get_title(loc="left") == "Number of pseudo-labels, the same for all methods"


def test_different_numbers_of_pseudo_labels_have_a_line_each(simulated: Make) -> None:
    columns = simulated({"triplet-margin+pseudo": MARGIN, "random+pseudo": RANDOM})
    columns["pseudo_labels"][:9] = [2 * made for made in columns["pseudo_labels"][:9]]
    below = pseudo_precision(columns).axes[1]
    assert [list(drawn.get_ydata()) for drawn in below.lines] == [[0, 100, 200], [0, 50, 100]]


def test_a_method_looks_the_same_in_both_pictures(simulated: Make) -> None:
    columns = simulated({"all labels": [[0.99]], "margin": MARGIN, "margin+pseudo": MARGIN, "random": RANDOM})
    curve = line(learning_curves(columns).axes[1], "margin+pseudo")
    precision = line(pseudo_precision(columns).axes[0], "margin+pseudo")
    assert (curve.get_color(), curve.get_marker()) == (precision.get_color(), precision.get_marker())


def test_methods_without_pseudo_labels_have_no_precision(simulated: Make) -> None:
    with pytest.raises(InputRejected, match="holds a pseudo precision"):
        pseudo_precision(simulated({"margin": MARGIN}))


def test_a_wide_interval_does_not_show_more_than_all(simulated: Make) -> None:
    (axes,) = learning_curves(simulated({"margin": [[0.1, 0.5, 0.9], [0.9, 0.6, 1.0]]})).axes
    low, high = axes.get_ylim()
    assert low >= 0
    assert 1 <= high < 1.1
