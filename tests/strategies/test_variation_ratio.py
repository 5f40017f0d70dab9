"""The share of probability outside the likeliest class."""

from __future__ import annotations

import alcli
import numpy as np
import pytest

# algorithms.md A.0; p1 = [.70 .40 .34 .98], p1 - p2 = [.50 .05 .01 .97]
P = np.array([[0.70, 0.20, 0.10], [0.40, 0.35, 0.25], [0.34, 0.33, 0.33], [0.98, 0.01, 0.01]])
DISAGREEMENT = np.array([[0.50, 0.49, 0.01], [0.40, 0.30, 0.30]])


def test_golden_values() -> None:
    selection = alcli.rank("variation-ratio", k=4, probabilities=P)
    assert selection.rows.tolist() == [2, 1, 0, 3]
    assert selection.scores == pytest.approx([0.66, 0.60, 0.30, 0.02], abs=1e-9)


def test_differs_from_margin_where_three_classes_compete() -> None:
    assert alcli.rank("variation-ratio", k=1, probabilities=DISAGREEMENT).rows.tolist() == [1]


def test_saved_confidence_is_enough() -> None:
    selection = alcli.rank("variation-ratio", k=2, confidence=np.array([0.9, 0.4, 0.7], np.float32))
    assert selection.rows.tolist() == [1, 2]
