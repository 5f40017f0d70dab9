"""Bayesian active learning by disagreement."""

from __future__ import annotations

import numpy as np

from alcli.strategies._strategy import Floats, pointwise
from alcli.uncertainty import entropy


@pointwise(paper="Houlsby et al., 2011, arXiv:1112.5745, equation 2; Gal et al., 2017, arXiv:1703.02910, §4")
def bald(mc_probabilities: Floats) -> Floats:
    """Query where stochastic passes are each sure of themselves and disagree.

    Args:
        mc_probabilities: (n, m, c) of m dropout masks; rows sum to 1.

    Returns:
        (n,) scores in [0, ln c] nats: the mutual information of label and weights, H(mean p) - mean H(p).
    """
    together = entropy(mc_probabilities.mean(axis=1))
    apart = entropy(mc_probabilities).mean(axis=1)
    return np.asarray(
        np.maximum(together - apart, 0)
    )  # rounding may leave -1e-16, whose logarithm would be NaN
