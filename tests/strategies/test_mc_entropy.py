"""Entropy of the mean of stochastic passes."""

from __future__ import annotations

import alcli
import numpy as np
import pytest

# algorithms.md A.1: three images, two passes, two classes
A, B, C = [(0.5, 0.5), (0.5, 0.5)], [(1, 0), (0, 1)], [(0.9, 0.1), (0.6, 0.4)]
GOLDEN = np.array([A, B, C], float)


def test_golden_values() -> None:
    selection = alcli.rank("mc-entropy", k=3, mc_probabilities=GOLDEN)
    assert selection.rows.tolist() == [0, 1, 2]
    assert selection.scores == pytest.approx([0.693147, 0.693147, 0.562335], abs=1e-6)


def test_is_not_the_mean_of_entropies() -> None:
    """modAL averages the passes' entropies (pitfalls.md 1.6): B, whose passes are certain, would be last."""
    assert alcli.rank("mc-entropy", k=3, mc_probabilities=GOLDEN).rows[-1] == 2
