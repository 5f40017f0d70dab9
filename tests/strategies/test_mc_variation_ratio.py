"""Votes against the most frequent class."""

from __future__ import annotations

from collections import Counter

import alcli
import numpy as np
import pytest
from alcli.strategies.mc_variation_ratio import mc_variation_ratio

# algorithms.md A.1: three images, two passes, two classes
A, B, C = [(0.5, 0.5), (0.5, 0.5)], [(1, 0), (0, 1)], [(0.9, 0.1), (0.6, 0.4)]
GOLDEN = np.array([A, B, C], float)


def test_golden_value() -> None:
    """Votes 0, 0, 1 give 1/3, where 1 - max of the mean probability would be 1/2 (pitfalls.md 1.4)."""
    passes = [[(0.6, 0.4), (0.7, 0.3), (0.2, 0.8)]]
    assert alcli.rank("mc-variation-ratio", k=1, mc_probabilities=passes).scores == pytest.approx([1 / 3])


def test_bald_orders_equal_votes() -> None:
    selection = alcli.rank("mc-variation-ratio", k=3, mc_probabilities=GOLDEN)
    assert selection.rows.tolist() == [1, 2, 0]
    assert selection.scores.tolist() == [0.5, 0, 0]


def test_bald_decides_at_the_boundary_and_then_the_row() -> None:
    selection = alcli.rank("mc-variation-ratio", k=3, mc_probabilities=np.array([A, C, C, A, C], float))
    assert selection.rows.tolist() == [1, 2, 4]
    assert alcli.rank(
        "mc-variation-ratio", k=2, mc_probabilities=np.array([A, A, A, C], float)
    ).rows.tolist() == [3, 0]


def test_equal_votes_that_bald_orders_are_no_cause_for_alarm(caplog: pytest.LogCaptureFixture) -> None:
    alcli.rank("mc-variation-ratio", k=2, mc_probabilities=np.array([A, C], float))
    assert not caplog.records


def test_naive_twin() -> None:
    mc = np.random.default_rng(3).dirichlet(np.ones(4), size=(60, 9))
    naive = [1 - Counter(int(np.argmax(row)) for row in passes).most_common(1)[0][1] / 9 for passes in mc]
    assert mc_variation_ratio(mc) == pytest.approx(naive, abs=1e-12)
