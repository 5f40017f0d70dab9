"""The difference of the two largest probabilities, smallest first."""

from __future__ import annotations

import alcli
import numpy as np
import pytest

# algorithms.md A.0; p1 = [.70 .40 .34 .98], p1 - p2 = [.50 .05 .01 .97]
P = np.array([[0.70, 0.20, 0.10], [0.40, 0.35, 0.25], [0.34, 0.33, 0.33], [0.98, 0.01, 0.01]])
DISAGREEMENT = np.array([[0.50, 0.49, 0.01], [0.40, 0.30, 0.30]])


def test_golden_values() -> None:
    selection = alcli.rank("margin", k=4, probabilities=P)
    assert selection.rows.tolist() == [2, 1, 0, 3]
    assert 1 - selection.scores == pytest.approx([0.01, 0.05, 0.50, 0.97], abs=1e-9)


def test_differs_from_least_confidence_where_two_classes_compete() -> None:
    assert alcli.rank("margin", k=1, probabilities=DISAGREEMENT).rows.tolist() == [0]


def test_is_not_inverted() -> None:
    """rafikg/CEAL takes p2 - p1 and ranks the certain row first (pitfalls.md 1.3)."""
    rows = alcli.rank("margin", k=2, probabilities=[[0.98, 0.01, 0.01], [0.5, 0.49, 0.01]]).rows
    assert rows.tolist() == [1, 0]


def test_one_class_has_no_rival() -> None:
    assert alcli.rank("margin", k=2, probabilities=np.ones((2, 1))).scores.tolist() == [0, 0]


def test_equal_best_classes_have_no_margin() -> None:
    assert alcli.rank("margin", k=1, probabilities=[[0.4, 0.2, 0.4]]).scores.tolist() == [1]
