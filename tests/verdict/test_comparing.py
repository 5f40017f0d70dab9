"""Differences to the baseline and labels saved, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alcli.verdict import comparing, runs
from alcli.verdict.comparing import Comparison
from scipy import stats

from tests.verdict.tables import Row, columns, failed, results, row, rows


def compare(given: dict[str, list[Any]], method: str = "margin") -> Comparison:
    found = comparing.compare(runs.read(given, "accuracy"), level=0.95, seed=0)[method]
    assert isinstance(found, Comparison)
    return found


def reason(given: list[Row], method: str = "margin") -> str:
    found = comparing.compare(runs.read(columns(given), "accuracy"), level=0.95, seed=0)[method]
    assert isinstance(found, str)
    return found


def test_differences_by_hand() -> None:
    found = compare(
        results({"random": [[0.5, 0.6, 0.7], [0.5, 0.5, 0.6]], "margin": [[0.5, 0.7, 0.8], [0.5, 0.6, 0.6]]})
    )
    # Between the curves: (0 + 0.1)/2 and (0.1 + 0.1)/2, mean 0.075; then 0.05 and (0.1 + 0)/2, mean 0.05.
    assert found.area.by_seed == pytest.approx((0.075, 0.05))
    assert found.end.by_seed == pytest.approx((0.1, 0.0))
    interval = stats.ttest_1samp([0.075, 0.05], 0).confidence_interval(0.95)
    assert found.area.half_width == pytest.approx((interval.high - interval.low) / 2)
    assert (found.area.p, found.end.p) == (0.5, 1)
    assert (found.baseline, found.axis, found.seeds, found.rounds) == ("random", "labels", (0, 1), (0, 1, 2))


def test_the_area_is_over_labels_where_batches_are_of_different_sizes() -> None:
    """100, 200 and 400 labels: nothing between the curves at first, then (0 + 0.1)/2 over 200 of the 300 labels."""
    given = rows({"random": [[0.5, 0.6, 0.7]], "margin": [[0.5, 0.6, 0.8]]})
    found = compare(columns([{**one, "labels": 100 * 2 ** one["round"]} for one in given]))
    assert found.area.by_seed == pytest.approx((0.05 * 200 / 300,))


def test_a_target_reached_with_the_last_label_is_reached() -> None:
    saving = compare(results({"random": [[0.5, 0.6]], "margin": [[0.4, 0.6]]})).saving
    assert saving is not None
    assert (saving.reached, saving.needed, saving.share.mean) == (1, (200.0,), 0.0)


def test_saving_by_hand() -> None:
    given = {
        "random": [[0.5, 0.6, 0.7, 0.8], [0.5, 0.9, 0.7, 0.8]],
        "margin": [[0.5, 0.7, 0.85, 0.9], [0.5, 0.6, 0.7, 0.75]],
    }
    saving = compare(results(given)).saving
    assert saving is not None
    # Seed 0: 0.8 lies at 200 + 100 · 0.10/0.15 = 266.7 of 400 labels. Seed 1 never gets there.
    assert saving.needed == (pytest.approx(266.6667), None)
    assert saving.reached == 1
    assert saving.share.mean == pytest.approx((1 / 3 + 0) / 2)
    interval = stats.ttest_1samp([1 / 3, 0], 0).confidence_interval(0.95)
    assert saving.share.half_width == pytest.approx((interval.high - interval.low) / 2)
    # The baseline of seed 1 first passes 0.8 at 100 + 100 · 0.3/0.4 = 175 labels, and falls again.
    assert saving.baseline_share.mean == pytest.approx((0 + (1 - 175 / 400)) / 2)


def test_a_target_reached_with_more_labels_than_the_baseline_had_saves_nothing() -> None:
    given = [*rows({"random": [[0.5, 0.6]]}), row("margin", 0, 0, 0.5), row("margin", 0, 1, 0.6, labels=300)]
    found = compare(columns(given))
    assert found.saving is not None
    assert (found.saving.needed, found.saving.share.mean) == ((None,), 0)
    assert (found.axis, found.labels, found.baseline_labels) == ("round", 300, 200)


def test_only_seeds_and_rounds_that_both_have() -> None:
    given = [
        *rows({"random": [[0.5, 0.6, 0.7], [0.4, 0.4, 0.4], [0.3, 0.3, 0.3]]}),
        *rows({"margin": [[0.5, 0.7], [0.4, 0.5]]}),
        row("margin", 2, 0, 0.3),
        failed("margin", 2, 1, "boom"),
    ]
    found = compare(columns(given))
    assert (found.seeds, found.rounds) == ((0, 1), (0, 1))
    assert found.end.by_seed == pytest.approx((0.1, 0.1))
    assert found.saving is not None
    assert found.saving.needed == pytest.approx((150, 100))  # of the 200 labels of round 1


def test_pseudo_labels_are_compared_over_rounds_with_random_pseudo_labels() -> None:
    given = {
        "random": [[0.5, 0.6, 0.7]] * 2,
        "random+pseudo": [[0.5, 0.5, 0.5]] * 2,
        "triplet-margin+pseudo": [[0.5, 0.6, 0.6]] * 2,
    }
    table = columns(
        [one | ({"labels": 100} if "+" in one["method"] else {}) for one in rows(given)],
    )
    found = compare(table, "triplet-margin+pseudo")
    assert (found.baseline, found.axis, found.saving) == ("random+pseudo", "round", None)
    assert found.area.mean == pytest.approx((0.05 + 0.1) / 2)
    assert list(comparing.compare(runs.read(table, "accuracy"), level=0.95, seed=0)) == [
        "triplet-margin+pseudo"
    ]


@pytest.mark.parametrize(
    ("methods", "method", "expected"),
    [
        (["random", "margin"], "margin", "random"),
        (["random", "random+pseudo", "margin+pseudo"], "margin+pseudo", "random+pseudo"),
        (["random", "random+pseudo", "margin+entropy"], "margin+entropy", "random"),
        (["random", "random+confidence:threshold=0.9"], "a:b=1+confidence:threshold=0.9", "random+confidence:threshold=0.9"),
        (["random", "random+pseudo"], "random+pseudo", "random"),
        (["random", "random+pseudo", "margin+entropy"], "random+pseudo", "random"),
        (["random", "random+pseudo", "margin+pseudo"], "random+pseudo", "random+pseudo"),
        (["random+pseudo"], "random+pseudo", "random+pseudo"),
        (["random", "margin"], "random", "random"),
        (["random"], "random", "random"),
        (["random+pseudo", "margin"], "margin", None),
    ],
)  # fmt: skip
def test_the_baseline_of_a_method(methods: list[str], method: str, expected: str | None) -> None:
    read = runs.read(results({key: [[0.5, 0.6]] for key in methods}), "accuracy")
    assert comparing.baseline_of(method, read) == expected


def test_a_baseline_without_a_complete_seed_is_none() -> None:
    given = [
        *rows({"margin+pseudo": [[0.5, 0.6]], "random": [[0.5, 0.6]]}),
        failed("random+pseudo", 0, 0, "boom"),
    ]
    assert comparing.baseline_of("margin+pseudo", runs.read(columns(given), "accuracy")) == "random"


def test_p_values_are_corrected_for_all_methods_and_the_reference_is_none() -> None:
    """Eight seeds: all signs alike p = 2/256; one of the small ones against: p = 4/256 by counting."""
    up, mixed = [0.04] * 8, [-0.01, *[0.04] * 7]
    given = {
        "random": [[0.5, 0.6]] * 8,
        "margin": [[0.5, 0.6 + one] for one in up],
        "dal": [[0.5, 0.6 + one] for one in mixed],
        "kcenter": [[0.5, 0.6]] * 8,
    }
    table = columns(rows(given) + [row("all labels", seed, 0, 0.9) for seed in range(8)])
    found = comparing.compare(runs.read(table, "accuracy"), level=0.95, seed=0)
    assert list(found) == ["margin", "dal", "kcenter"]
    ends = [one.end for one in found.values() if isinstance(one, Comparison)]
    assert [one.p for one in ends] == [2 / 256, 4 / 256, 1]
    assert [one.p_corrected for one in ends] == [6 / 256, 8 / 256, 1]
    assert {one.least_p for one in ends} == {2 / 256}
    # The second could at best tie with the first: three times 2/256.
    assert [one.least_p_corrected for one in ends] == [6 / 256] * 3


def test_with_one_round_ways_to_train_are_compared_in_the_metric() -> None:
    given = rows({"random": [[0.5], [0.6], [0.7]], "random+bootstrap-soft": [[0.6], [0.6], [0.9]]})
    found = compare(columns(given), "random+bootstrap-soft")
    assert (found.baseline, found.axis, found.rounds, found.saving) == ("random", "round", (0,), None)
    assert found.area == found.end
    assert found.area.by_seed == pytest.approx((0.1, 0.0, 0.2))
    # Of the eight ways to put signs before 0.1, 0 and 0.2, four are as far from 0 as 0.3: those where both agree.
    assert found.area.p == pytest.approx(4 / 8)
    interval = stats.ttest_1samp([0.1, 0.0, 0.2], 0).confidence_interval(0.95)
    assert found.area.half_width == pytest.approx((interval.high - interval.low) / 2)


def test_why_there_is_no_comparison() -> None:
    random = rows({"random": [[0.5, 0.6]]})
    assert "`random` is not among" in reason(rows({"margin": [[0.5, 0.6]]}))
    assert reason([*random, failed("margin", 0, 0, "boom")]) == "it has no complete seed"
    assert "no round after the initial labels" in reason([*random, row("margin", 0, 0, 0.5)])
    other = [one | {"seed": 7} for one in rows({"margin": [[0.5, 0.6]]})]
    assert reason(random + other) == "no seed is complete in both margin and random"
    later = [one | {"round": one["round"] + 2} for one in rows({"margin": [[0.5, 0.6]]})]
    assert reason(random + later) == "margin and random have no round in common"


def test_rows_in_another_order_give_the_same() -> None:
    generator = np.random.default_rng(3)
    given = rows({name: generator.uniform(size=(4, 5)).tolist() for name in ("random", "margin")})
    assert compare(columns(given)) == compare(
        columns([given[at] for at in generator.permutation(len(given))])
    )
