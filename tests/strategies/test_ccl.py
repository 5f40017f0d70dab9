"""Largest entropy of the soft assignment to clusters."""

from __future__ import annotations

import alcli
import numpy as np
import pytest


def test_the_image_between_two_clusters_comes_first() -> None:
    assigned = np.array([[0.909091, 0.090909], [0.714286, 0.285714], [0.090909, 0.909091]])
    found = alcli.rank("ccl", k=3, cluster_probabilities=assigned)
    assert found.rows.tolist() == [1, 0, 2]
    assert found.scores == pytest.approx([0.598270, 0.304636, 0.304636], abs=5e-6)


def test_a_sure_assignment_scores_0() -> None:
    assert alcli.rank("ccl", k=1, cluster_probabilities=np.array([[1.0, 0.0]])).scores.tolist() == [0]
