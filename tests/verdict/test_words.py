"""The sentences, word by word, on tables whose figures are worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from alcli.verdict import REFERENCE, judge

from tests.verdict.tables import columns, failed, results, row, rows

RANDOM, MARGIN, WORSE = [0.5, 0.6, 0.7], [0.5, 0.62, 0.72], [0.5, 0.58, 0.68]


def said(method: str, **curves: Sequence[Sequence[float]]) -> str:
    verdict = judge(results(curves))
    return next(one.words for one in verdict.methods if one.name == method)


def test_better() -> None:
    # Between the curves 0.01 and 0.02 over two steps; 0.7 is reached at 280 of 300 labels; p = 2/256.
    assert said("margin", random=[RANDOM] * 8, margin=[MARGIN] * 8) == (
        "margin is better than random by 1.5 ± 0.0 points (area under the curve, 8 seeds, p = 0.0078): real; "
        "it reaches the final value of random in 8 of 8 seeds and saves 7 % ± 0 % of the 300 labels "
        "(ups and downs alone save random 0 %)."
    )


def test_better_on_the_way_but_not_at_the_end() -> None:
    words = said("margin", random=[RANDOM] * 8, margin=[[0.5, 0.68, 0.69]] * 8)
    assert words.endswith("(area under the curve, 8 seeds, p = 0.0078): real.")


def test_worse() -> None:
    assert said("kcenter", random=[RANDOM] * 8, kcenter=[WORSE] * 8, margin=[MARGIN] * 8) == (
        "kcenter is worse than random by 1.5 ± 0.0 points (area under the curve, 8 seeds, p = 0.016 after "
        "correction for 2 methods): real."
    )


def test_not_shown() -> None:
    """Four up, four down: nothing, though four seeds would save labels."""
    words = said("margin", random=[RANDOM] * 8, margin=[*[MARGIN] * 4, *[WORSE] * 4])
    assert words.startswith(
        "margin differs from random by +0.0 ± 1.3 points (area under the curve, 8 seeds, p = 1)"
    )
    assert words.endswith("): not shown, the difference may be chance.")
    assert "save" not in words


def test_too_few_seeds() -> None:
    assert said("margin", random=[RANDOM] * 5, margin=[MARGIN] * 5) == (
        "margin differs from random by +1.5 ± 0.0 points (area under the curve, 5 seeds): undecidable, 5 seeds cannot "
        "give a p below 0.062; at least 6 are needed for 1 method (--seeds 6)."
    )
    assert said("margin", random=[RANDOM], margin=[MARGIN]).startswith(
        "margin differs from random by +1.5 points (area under the curve, 1 seed): undecidable, 1 seed cannot"
    )


def test_small_differences_keep_a_digit() -> None:
    words = said("margin", random=[RANDOM] * 8, margin=[[0.5, 0.6002, 0.7]] * 8)
    assert words.startswith("margin is better than random by 0.01 ± 0.00 points")


def test_a_baseline_and_a_method_without_one() -> None:
    assert said("random", random=[RANDOM]) == (
        "random is what others are compared with: it reaches 70.0 % with 300 labels (1 seed)."
    )
    assert said("margin", margin=[RANDOM]) == (
        "margin is not compared: `random` is not among the methods with a complete seed."
    )


def test_pseudo_labels_beside_bought_ones() -> None:
    given = rows({"random": [RANDOM] * 8}) + rows({"margin+pseudo": [MARGIN] * 8}, labels=100)
    assert judge(columns(given)).methods[1].words == (
        "margin+pseudo is better than random by 1.5 ± 0.0 points (area under the curve over rounds, 8 seeds, "
        "p = 0.0078): real; mind that margin+pseudo has 100 labels at the end and random 300 labels."
    )


def test_ways_to_train_on_the_same_labels() -> None:
    given = results({"random": [[0.5]] * 8, "random+bootstrap-soft": [[0.515]] * 8})
    assert judge(given).methods[1].words == (
        "random+bootstrap-soft is better than random by 1.5 ± 0.0 points (trained on the initial labels, 8 seeds, "
        "p = 0.0078): real."
    )


OVERALL = {
    "Better than random: margin; worse: kcenter; no difference shown: dal.": {
        "random": [RANDOM] * 8, "margin": [MARGIN] * 8, "kcenter": [WORSE] * 8, "dal": [MARGIN, WORSE] * 4,
    },
    "Better than random: margin, badge; which of them is best was not tested.": {
        "random": [RANDOM] * 8, "margin": [MARGIN] * 8, "badge": [MARGIN] * 8,
    },
    "No method is shown to be better than random; no difference shown: dal.": {
        "random": [RANDOM] * 8, "dal": [MARGIN, WORSE] * 4,
    },
    "With 3 seeds no difference can be shown: at least 7 are needed for 2 methods (--seeds 7).": {
        "random": [RANDOM] * 3, "margin": [MARGIN] * 3, "kcenter": [WORSE] * 3,
    },
    "With 2 to 3 seeds no difference can be shown: at least 7 are needed for 2 methods (--seeds 7).": {
        "random": [RANDOM] * 3, "margin": [MARGIN] * 3, "kcenter": [WORSE] * 2,
    },
    "Better than random: margin; undecidable with so few seeds: kcenter.": {
        "random": [RANDOM] * 8, "margin": [MARGIN] * 8, "kcenter": [WORSE] * 2,
    },
    "Nothing is compared: `random` has no complete seed here; add --method random.": {"margin": [MARGIN] * 8},
    "Nothing is compared: random is the only method.": {"random": [RANDOM]},
    "Nothing is compared: no method has a baseline with which it shares seeds and rounds.": {
        "random": [RANDOM], "margin": [RANDOM[:1]],
    },
    "Better than random: margin; not compared: dal.": {
        "random": [RANDOM] * 8, "margin": [MARGIN] * 8, "dal": [RANDOM[:1]] * 8,
    },
}  # fmt: skip


@pytest.mark.parametrize("expected", OVERALL)
def test_all_in_one_sentence(expected: str) -> None:
    assert judge(results(OVERALL[expected])).words == expected


def test_a_baseline_that_failed() -> None:
    given = [failed("random", 0, 0, "boom"), *rows({"margin": [MARGIN]})]
    assert judge(columns(given)).words == "Nothing is compared: `random` has no complete seed here."


def test_two_baselines() -> None:
    given = {"random": RANDOM, "random+entropy": RANDOM, "margin": MARGIN, "margin+entropy": MARGIN}
    words = judge(results({name: [curve] * 8 for name, curve in given.items()})).words
    assert words.startswith("Better than its baseline: margin, margin+entropy;")


def test_notes_tell_what_is_missing() -> None:
    given = [
        *rows({"random": [RANDOM] * 3, "margin": [MARGIN[:2]] * 3}),
        row("margin", 3, 0, 0.5),
        failed("margin", 3, 1, "OSError: disk full"),
        row(REFERENCE, 0, 0, 0.9),
    ]
    assert judge(columns(given)).notes == (
        "margin: 1 of 4 seeds left out (seed 3: failed in round 1: OSError: disk full)",
        "margin and random are compared over what both have: 2 of 3 rounds, 3 of 3 seeds",
    )


def test_labels_that_are_wrong_on_purpose_are_mentioned_once() -> None:
    """At the end 90 of 300 labels of the one method are wrong, and 30 of the other's 300: 20 %."""
    given = rows({"random": [RANDOM] * 2, "margin": [MARGIN] * 2})
    shares = [0.9, 0.9, 0.3] * 2 + [None, 0.9, 0.1] * 2
    notes = judge({**columns(given), "label_noise": shares}).notes
    assert notes == (
        "Labels are wrong on purpose: 20.0 % of those that people gave; the metric is measured on true ones",
    )
    assert judge({**columns(given), "label_noise": [0.0] * 12}).notes == ()
    assert judge({**columns(given), "label_noise": [None] * 12}).notes == ()


def test_what_a_check_left_out_is_told_by_itself() -> None:
    """60 of 300 are left out in each seed; 12 of the 240 others are wrong in one seed, 36 in the other."""
    given = rows({"random": [RANDOM] * 2, "margin+rad": [MARGIN] * 2})
    shares = [0.9, 0.9, 0.3] * 2 + [0.9, 0.9, 0.05, 0.9, 0.9, 0.15]
    withheld = [0] * 6 + [0, 30, 60] * 2
    assert judge({**columns(given), "label_noise": shares, "withheld": withheld}).notes == (
        "Labels are wrong on purpose: 30.0 % of those that people gave; the metric is measured on true ones",
        "margin+rad: the check left out 20.0 % of the labels bought; of the others 10.0 % are wrong",
    )
