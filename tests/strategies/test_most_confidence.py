"""The largest probability."""

from __future__ import annotations

import alcli
import numpy as np
import pytest

# algorithms.md A.0; p1 = [.70 .40 .34 .98], p1 - p2 = [.50 .05 .01 .97]
P = np.array([[0.70, 0.20, 0.10], [0.40, 0.35, 0.25], [0.34, 0.33, 0.33], [0.98, 0.01, 0.01]])


def test_golden_values() -> None:
    selection = alcli.rank("most-confidence", k=4, probabilities=P)
    assert selection.rows.tolist() == [3, 0, 1, 2]
    assert selection.scores == pytest.approx([0.98, 0.70, 0.40, 0.34], abs=1e-9)
