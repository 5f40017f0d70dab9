"""Mutual information of label and weights."""

from __future__ import annotations

import math

import alcli
import numpy as np
import pytest
from alcli.errors import InputRejected
from alcli.strategies.bald import bald

# algorithms.md A.1: three images, two passes, two classes
A, B, C = [(0.5, 0.5), (0.5, 0.5)], [(1, 0), (0, 1)], [(0.9, 0.1), (0.6, 0.4)]
GOLDEN = np.array([A, B, C], float)


def test_golden_values() -> None:
    selection = alcli.rank("bald", k=3, mc_probabilities=GOLDEN)
    assert selection.rows.tolist() == [1, 2, 0]
    assert selection.scores == pytest.approx([0.693147, 0.063288, 0], abs=1e-6)


def test_is_not_entropy_in_disguise() -> None:
    """PyRelationAL subtracts one number from all rows, which leaves entropy's order (pitfalls.md 1.5)."""
    bald = alcli.rank("bald", k=3, mc_probabilities=GOLDEN).rows.tolist()
    assert bald != alcli.rank("mc-entropy", k=3, mc_probabilities=GOLDEN).rows.tolist()


def test_passes_that_agree_score_zero_and_never_less() -> None:
    same = np.random.default_rng(0).dirichlet(np.ones(10), size=500)[:, None, :].repeat(7, axis=1)
    assert alcli.rank("bald", k=500, mc_probabilities=same).scores.tolist() == [0] * 500
    assert bald(same).min() >= 0


def test_naive_twin() -> None:
    mc = np.random.default_rng(1).dirichlet(np.ones(3), size=(50, 6))
    naive = []
    for passes in mc:
        mean = [sum(column) / 6 for column in passes.T.tolist()]
        apart = sum(-sum(p * math.log(p) for p in row) for row in passes.tolist()) / 6
        naive.append(-sum(p * math.log(p) for p in mean) - apart)
    assert bald(mc) == pytest.approx(naive, abs=1e-12)


def test_one_pass_cannot_disagree() -> None:
    with pytest.raises(InputRejected, match="1 pass per image; disagreement needs at least 2"):
        alcli.rank("bald", k=1, mc_probabilities=GOLDEN[:, :1])


def test_float16_passes_of_many_classes() -> None:
    mc = np.random.default_rng(2).dirichlet(np.full(1000, 0.01), size=(8, 3))
    narrow = alcli.rank("bald", k=8, mc_probabilities=mc.astype(np.float16))
    assert narrow.rows.tolist() == alcli.rank("bald", k=8, mc_probabilities=mc).rows.tolist()
