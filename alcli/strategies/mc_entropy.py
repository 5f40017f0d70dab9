"""Entropy of the mean prediction of stochastic passes."""

from __future__ import annotations

from alcli.strategies._strategy import Floats, pointwise
from alcli.uncertainty import entropy


@pointwise(paper="Gal, Islam & Ghahramani, 2017, arXiv:1703.02910, §4 (maximise predictive entropy)")
def mc_entropy(mc_probabilities: Floats) -> Floats:
    """Query where the mean of stochastic passes is most evenly spread.

    Args:
        mc_probabilities: (n, m, c) of m dropout masks; rows sum to 1.

    Returns:
        (n,) scores in [0, ln c] nats: the entropy of the mean, not the mean of entropies.
    """
    return entropy(mc_probabilities.mean(axis=1))
