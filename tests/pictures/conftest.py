"""The rows of made-up simulations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Columns = dict[str, list[Any]]
NAMES = (
    "method",
    "seed",
    "round",
    "labels",
    "pseudo_labels",
    "pseudo_precision",
    "accuracy",
    "macro_f1",
    "error",
)


@pytest.fixture
def simulated() -> Callable[..., Columns]:
    """Return a function that makes columns out of accuracies.

    Args of the function:
        accuracies: By method, a list of seeds, each a list of accuracies by round.
        initial: Labels in round 0.
        batch: Labels that each round adds; methods with `+pseudo` get as many pseudo-labels instead.
    """

    def make(accuracies: dict[str, list[list[float]]], *, initial: int = 100, batch: int = 50) -> Columns:
        rows = []
        for method, by_seed in accuracies.items():
            pseudo = "+pseudo" in method
            for seed, values in enumerate(by_seed):
                for round_, value in enumerate(values):
                    spent, made = (0, batch * round_) if pseudo else (batch * round_, 0)
                    precision = 0.9 - 0.01 * round_ - 0.002 * seed if made else None
                    row = (method, seed, round_, initial + spent, made, precision, value, value - 0.05, None)
                    rows.append(row)
        return {name: [row[at] for row in rows] for at, name in enumerate(NAMES)}

    return make
