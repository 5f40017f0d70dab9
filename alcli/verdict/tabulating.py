"""The verdict as a small table for people."""

from __future__ import annotations

import numpy as np

from alcli.verdict import figures
from alcli.verdict.comparing import Comparison, Saving
from alcli.verdict.judging import MethodVerdict, Verdict
from alcli.verdict.runs import REFERENCE

BUDGETS = 5

_NONE = "–"
_METRIC_NAMES = {"accuracy": "Accuracy", "macro_f1": "Macro-F1"}
_REAL = {
    "baseline": "baseline",
    "better": "better",
    "worse": "worse",
    "not shown": "not shown",
    "undecidable": "too few seeds",
    "not compared": _NONE,
}


def table(verdict: Verdict) -> tuple[str, list[str], list[list[str]]]:
    """Return title, headings and rows: a few budgets, area, labels saved, difference to the baseline, real or not.

    Budgets are at most five of the rounds, the first and the last among them. A baseline "saves" what the ups and
    downs of its own curve save: as much of what others save may be chance. `all labels` is the last row, its one value
    in the column of the last budget.
    """
    shown = _rounds(verdict)
    title = (
        f"{_METRIC_NAMES[verdict.metric]} in %, mean ± {100 * verdict.level:.4g} % interval over the seeds"
    )
    headings = [
        "method",
        *_headings(verdict, shown),
        "area",
        "saves",
        f"to {_baseline(verdict)}",
        "p",
        "real?",
    ]
    by_chance = verdict.by_chance
    rows = [_row(method, shown, by_chance.get(method.name)) for method in verdict.methods]
    if verdict.all_labels is not None and shown:
        best = verdict.all_labels
        blank = [_NONE] * (len(shown) - 1)
        rows.append([f"{REFERENCE} ({best.labels:,})", *blank, figures.percent(best.value), *[_NONE] * 5])
    return title, headings, rows


def _rounds(verdict: Verdict) -> list[int]:
    """Return the rounds to show: evenly chosen, first and last included."""
    rounds = sorted({point.round for method in verdict.methods for point in method.curve})
    if not rounds:
        return []
    chosen = np.unique(np.linspace(0, len(rounds) - 1, BUDGETS).round().astype(int))
    return [rounds[at] for at in chosen]


def _headings(verdict: Verdict, rounds: list[int]) -> list[str]:
    """Return labels where all methods have spent the same and more in each round, else the rounds."""
    spent = [
        {point.labels for method in verdict.methods for point in method.curve if point.round == round_}
        for round_ in rounds
    ]
    if all(len(one) == 1 for one in spent):
        labels = [one.pop() for one in spent]
        if labels == sorted(set(labels)):
            return [figures.counted(count, "label") for count in labels]
    return [f"round {round_}" for round_ in rounds]


def _baseline(verdict: Verdict) -> str:
    names = {method.comparison.baseline for method in verdict.methods if method.comparison is not None}
    return names.pop() if len(names) == 1 else "baseline"


def _row(method: MethodVerdict, rounds: list[int], by_chance: Comparison | None) -> list[str]:
    at = {point.round: figures.percent(point.value) for point in method.curve}
    return [
        method.name,
        *[at.get(round_, _NONE) for round_ in rounds],
        _NONE if method.area is None else figures.percent(method.area),
        *_compared(method, method.comparison, by_chance),
    ]


def _compared(
    method: MethodVerdict, comparison: Comparison | None, by_chance: Comparison | None
) -> list[str]:
    real = _REAL[method.finding]
    if comparison is None:
        saving = by_chance and by_chance.saving
        return [figures.percent(saving.baseline_share) if saving else _NONE, _NONE, _NONE, real]
    p = figures.p_value(comparison.area.p_corrected).removeprefix("p ").removeprefix("= ")
    return [_saved(comparison.saving), figures.points(comparison.area, signed=True), p, real]


def _saved(saving: Saving | None) -> str:
    if saving is None:
        return _NONE
    if not saving.reached:
        return "never there"
    seeds = len(saving.needed)
    if saving.reached < seeds:  # of the others nobody knows what they would need: a mean would be none
        return f"there in {saving.reached} of {seeds}"
    return figures.percent(saving.share)
