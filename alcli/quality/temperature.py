"""By how much a model's probabilities are too sharp or too even, measured on what annotators say."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from alcli import uncertainty
from alcli.quality.votes import Votes

Floats = NDArray[np.float64]

_COARSE = (0.1, 0.2, 0.5, 0.8, 1.0, 2.0, 3.0, 5.0, 8.0)
_FINE = 4  # steps between two of them
_WORST = float(np.log(1e-30))  # a vote for what was all but impossible weighs no more than this
_DECIMALS = 12  # cross-entropies that differ by less differ by rounding only


def fit(votes: Votes, probabilities: Floats) -> float:
    """Return the temperature at which probabilities are closest to the distribution of the votes.

    It is searched on the two grids of ActiveLab (Goh & Mueller, 2023, arXiv:2301.11856, as in cleanlab 2.9, which
    leaves out the last point), for the least cross-entropy; of equals the one closest to 1 is taken.

    Args:
        votes: About n rows.
        probabilities: (n, c) of models that were not fitted on the rows that they judge.
    """
    coarse = np.array(_COARSE)
    middle = int(np.flatnonzero(coarse == _least(votes, probabilities, coarse))[0])
    corners = coarse[max(middle - 1, 0) : middle + 2]
    steps = [np.linspace(low, high, _FINE, endpoint=False) for low, high in itertools.pairwise(corners)]
    return _least(votes, probabilities, np.concatenate([*steps, corners[-1:]]))


def soft_cross_entropy(votes: Votes, probabilities: Floats, temperatures: Floats) -> Floats:
    """Return (t,) the mean over rows of -Σ_c e_c ln p_c at (t,) temperatures, e the distribution of a row's votes."""
    total = np.zeros(len(temperatures))
    share = 1.0 / votes.counts[votes.rows]
    for block in uncertainty.blocks(*probabilities.shape):
        logarithms = uncertainty.logarithms(probabilities[block])
        mine, at = votes.within(block)
        voted = logarithms[at, votes.codes[mine]]
        for place, temperature in enumerate(temperatures.tolist()):
            norms = np.log(np.exp(logarithms / temperature).sum(axis=1))
            total[place] -= np.maximum(voted / temperature - norms[at], _WORST) @ share[mine]
    return total / len(probabilities)


def _least(votes: Votes, probabilities: Floats, temperatures: Floats) -> float:
    losses = np.round(soft_cross_entropy(votes, probabilities, temperatures), _DECIMALS)
    return float(temperatures[np.lexsort((np.abs(np.log(temperatures)), losses))[0]])
