"""Mean standard deviation of stochastic passes."""

from __future__ import annotations

import numpy as np

from alcli.strategies._strategy import Floats, pointwise


@pointwise(
    paper="Kampffmeyer et al., 2016, doi:10.1109/CVPRW.2016.90; Gal et al., 2017, arXiv:1703.02910, §4"
)
def mean_std(mc_probabilities: Floats) -> Floats:
    """Query where the classes' probabilities vary most from pass to pass.

    Args:
        mc_probabilities: (n, m, c) of m dropout masks; rows sum to 1.

    Returns:
        (n,) scores in [0, 1/2]: the standard deviation over passes, averaged over classes.
    """
    deviations = mc_probabilities.std(axis=1)  # (n, c)
    return np.asarray(deviations.mean(axis=1))
