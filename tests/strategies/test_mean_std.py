"""Standard deviation over passes, averaged over classes."""

from __future__ import annotations

import alcli
import numpy as np
import pytest

# algorithms.md A.1: three images, two passes, two classes
A, B, C = [(0.5, 0.5), (0.5, 0.5)], [(1, 0), (0, 1)], [(0.9, 0.1), (0.6, 0.4)]
GOLDEN = np.array([A, B, C], float)


def test_golden_values() -> None:
    selection = alcli.rank("mean-std", k=3, mc_probabilities=GOLDEN)
    assert selection.rows.tolist() == [1, 2, 0]
    assert selection.scores == pytest.approx([0.5, 0.15, 0], abs=1e-9)
