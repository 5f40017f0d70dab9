"""Variation ratio over stochastic passes."""

from __future__ import annotations

import numpy as np

from alcli.strategies._strategy import Floats, pointwise
from alcli.strategies.bald import bald


@pointwise(
    paper="Freeman, 1965; Gal, Islam & Ghahramani, 2017, arXiv:1703.02910, §4 (variation ratios)",
    ties=bald,
)
def mc_variation_ratio(mc_probabilities: Floats) -> Floats:
    """Query where most stochastic passes vote against the most frequent class.

    There are only m possible values, so BALD orders the images that share one.

    Args:
        mc_probabilities: (n, m, c) of m dropout masks; a pass votes for its likeliest class.

    Returns:
        (n,) scores in [0, 1): the share of votes outside the most frequent class.
    """
    n, m, c = mc_probabilities.shape
    votes = np.argmax(mc_probabilities, axis=2) + np.arange(n)[:, None] * c  # (n, m), each row its own range
    counts = np.bincount(votes.ravel(), minlength=n * c).reshape(n, c)
    return np.asarray(1 - counts.max(axis=1) / m)
