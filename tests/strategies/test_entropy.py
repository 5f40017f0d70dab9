"""Shannon's entropy."""

from __future__ import annotations

import alcli
import numpy as np
import pytest

# algorithms.md A.0; p1 = [.70 .40 .34 .98], p1 - p2 = [.50 .05 .01 .97]
P = np.array([[0.70, 0.20, 0.10], [0.40, 0.35, 0.25], [0.34, 0.33, 0.33], [0.98, 0.01, 0.01]])
DISAGREEMENT = np.array([[0.50, 0.49, 0.01], [0.40, 0.30, 0.30]])


def test_golden_values() -> None:
    selection = alcli.rank("entropy", k=4, probabilities=P)
    assert selection.rows.tolist() == [2, 1, 0, 3]
    assert selection.scores == pytest.approx([1.098513, 1.080528, 0.801819, 0.111902], abs=1e-6)


def test_disagreement_with_margin() -> None:
    selection = alcli.rank("entropy", k=2, probabilities=DISAGREEMENT)
    assert selection.rows.tolist() == [1, 0]
    assert selection.scores == pytest.approx([1.088900, 0.742167], abs=1e-6)


def test_a_probability_of_zero_is_not_nan_and_not_first() -> None:
    """acl21, DISTIL, PyRelationAL, ALFM and libact rank 0 · ln 0 = NaN first (pitfalls.md 1.1)."""
    selection = alcli.rank("entropy", k=3, probabilities=[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.1, 0.9]])
    assert selection.rows.tolist() == [1, 2, 0]
    assert selection.scores[2] == 0


def test_scores_that_differ_by_rounding_tie() -> None:
    """Probabilities in another order of classes: the sum differs in the last bit, the row decides."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7))
    rolled = np.stack([np.roll(probabilities, shift) for shift in range(7)])
    assert alcli.rank("entropy", k=7, probabilities=rolled).rows.tolist() == list(range(7))
