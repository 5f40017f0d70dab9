"""The table for people."""

from __future__ import annotations

import pytest
from alcli.verdict import REFERENCE, judge, table

from tests.verdict.tables import columns, failed, results, row, rows

RANDOM, MARGIN = [0.5, 0.6, 0.7], [0.5, 0.62, 0.72]


def test_a_table_by_hand() -> None:
    given = rows({"random": [RANDOM] * 8, "margin": [MARGIN] * 8, "bald": [[0.5, 0.5, 0.5]] * 2})
    given += [row(REFERENCE, 0, 0, 0.95, labels=60_000)]
    title, headings, shown = table(judge(columns(given)))
    assert title == "Accuracy in %, mean ± 95 % interval over the seeds"
    assert headings == [
        "method",
        "100 labels",
        "200 labels",
        "300 labels",
        "area",
        "saves",
        "to random",
        "p",
        "real?",
    ]
    assert shown == [
        ["random", "50.0 ± 0.0", "60.0 ± 0.0", "70.0 ± 0.0", "60.0 ± 0.0", "0.0 ± 0.0", "–", "–", "baseline"],
        ["margin", "50.0 ± 0.0", "62.0 ± 0.0", "72.0 ± 0.0", "61.5 ± 0.0", "6.7 ± 0.0", "+1.5 ± 0.0", "0.016", "better"],
        ["bald", "50.0 ± 0.0", "50.0 ± 0.0", "50.0 ± 0.0", "50.0 ± 0.0", "never there", "-10.0 ± 0.0", "0.5",
         "too few seeds"],
        ["all labels (60,000)", "–", "–", "95.0", "–", "–", "–", "–", "–"],
    ]  # fmt: skip


def test_a_baseline_saves_what_its_ups_and_downs_save() -> None:
    """One of its curves is at its last 70 % with 200 labels of 300 already: a third, and nothing in the other."""
    curves = {"random": [[0.5, 0.7, 0.7], RANDOM], "margin": [MARGIN, MARGIN], "bald": [MARGIN]}
    _, headings, (shown, *_) = table(judge(results(curves)))
    assert shown[headings.index("saves")].startswith("16.7 ± ")
    _, headings, (shown,) = table(judge(results({"random": [RANDOM]})))
    assert shown[headings.index("saves")] == "–"


def test_what_only_some_seeds_reach_has_no_mean() -> None:
    curves = {"random": [RANDOM, RANDOM], "margin": [[0.5, 0.7, 0.7], [0.5, 0.6, 0.69]]}
    _, headings, (_, shown) = table(judge(results(curves)))
    assert shown[headings.index("saves")] == "there in 1 of 2"


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [(1, [0]), (2, [0, 1]), (5, [0, 1, 2, 3, 4]), (11, [0, 2, 5, 8, 10]), (21, [0, 5, 10, 15, 20])],
)
def test_at_most_five_budgets_first_and_last_included(rounds: int, expected: list[int]) -> None:
    curve = [0.5 + at / 100 for at in range(rounds)]
    _, headings, (shown,) = table(judge(results({"random": [curve]})))
    assert headings[1:-5] == [f"{100 * (at + 1):,} labels" for at in expected]
    assert shown[1:-5] == [f"{50 + at:.1f}" for at in expected]


def test_rounds_where_methods_spend_different_labels_or_none() -> None:
    mixed = rows({"random": [RANDOM]}) + rows({"margin+pseudo": [MARGIN]}, labels=100)
    for given in (mixed, rows({"random": [RANDOM]}, labels=100)):
        _, headings, _ = table(judge(columns(given)))
        assert headings[1:4] == ["round 0", "round 1", "round 2"]


def test_every_row_is_as_wide_as_the_headings() -> None:
    tables = [
        [],
        [failed("random", 0, 0, "boom")],
        [row(REFERENCE, 0, 0, 0.9)],
        rows({"random": [RANDOM], "margin": [[0.5]]}),
        rows({"random": [RANDOM], "margin": [MARGIN[:2]]}),
    ]
    for given in tables:
        _, headings, shown = table(judge(columns(given)))
        assert all(len(one) == len(headings) for one in shown)


def test_other_metrics_levels_and_small_p() -> None:
    given = results({"random": [RANDOM] * 12, "margin": [MARGIN] * 12})
    title, _, shown = table(judge(given, metric="macro_f1", level=0.99))
    assert title == "Macro-F1 in %, mean ± 99 % interval over the seeds"
    assert shown[1][-2:] == ["< 0.001", "better"]
