"""Tables of simulations, made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NAN = float("nan")

Columns = dict[str, list[Any]]
Row = dict[str, Any]


def row(method: str, seed: int, round_: int, accuracy: float, **other: Any) -> Row:
    """Return one row; 100 labels at first and 100 more each round, unless `other` says so."""
    return {
        "method": method, "seed": seed, "round": round_, "labels": 100 * (round_ + 1), "pseudo_labels": 0,
        "pseudo_precision": None, "accuracy": accuracy, "macro_f1": accuracy / 2, "train_seconds": 4.0,
        "score_seconds": 2.0, "select_seconds": NAN if round_ == 0 else 1.0, "error": None, **other,
    }  # fmt: skip


def failed(method: str, seed: int, round_: int, error: str) -> Row:
    """Return the row of a round that failed: no figure in it."""
    figures = ("labels", "pseudo_labels", "macro_f1", "train_seconds", "score_seconds", "select_seconds")
    return row(method, seed, round_, NAN, **dict.fromkeys(figures, None), error=error)


def rows(curves: Mapping[str, Sequence[Sequence[float]]], **other: Any) -> list[Row]:
    """Return rows from the accuracies of each method: a list per seed, in it a figure per round."""
    return [
        row(method, seed, round_, accuracy, **other)
        for method, seeds in curves.items()
        for seed, accuracies in enumerate(seeds)
        for round_, accuracy in enumerate(accuracies)
    ]


def columns(given: Iterable[Row]) -> Columns:
    listed = list(given)
    return {name: [one[name] for one in listed] for name in row("", 0, 0, 0.0)}


def results(curves: Mapping[str, Sequence[Sequence[float]]], **other: Any) -> Columns:
    return columns(rows(curves, **other))
