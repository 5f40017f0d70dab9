"""Simple random sampling."""

from __future__ import annotations

import alcli
import numpy as np
from alcli.ranking import find


def test_every_row_is_as_likely_as_any_other() -> None:
    """Over 2,000 seeds each of 20 rows comes first 100 times; chi-square, 19 degrees of freedom, 0.1 %."""
    first = [
        alcli.rank("random", k=1, seed=seed, labelled=np.zeros(20, bool)).rows[0] for seed in range(2000)
    ]
    counts = np.bincount(first, minlength=20)
    assert ((counts - 100) ** 2 / 100).sum() < 43.8


def test_seeds_differ_and_repeat() -> None:
    mask = np.zeros(100, bool)
    once, again, other = (
        alcli.rank("random", k=50, seed=seed, labelled=mask).rows.tolist() for seed in (1, 1, 2)
    )
    assert once == again
    assert once != other


def test_labelled_rows_leave_the_order_of_the_others_alone() -> None:
    mask = np.zeros(30, bool)
    everything = alcli.rank("random", k=30, labelled=mask).rows
    mask[::3] = True
    assert alcli.rank("random", k=30, labelled=mask).rows.tolist() == [r for r in everything if r % 3]


def test_needs_no_model() -> None:
    strategy = find("random")
    assert (strategy.needs, strategy.needs_model, strategy.signals) == ("nothing", False, ())
