"""Variational adversarial active learning: what a discriminator takes for unlabelled most surely."""

from __future__ import annotations

import logging

from alcli.strategies._batch import Batch, Floats
from alcli.strategies._order import smallest
from alcli.strategies._strategy import batch

logger = logging.getLogger("alcli")

# A standard deviation of log-odds below which D deviates by less than 0.001 wherever it is, for its slope is 1/4
# at most. Of a discriminator that is sure of all images D hardly deviates either, but its log-odds do.
_COLLAPSED = 4e-3


@batch(
    paper="Sinha, Ebrahimi & Darrell, 2019, arXiv:1904.00370, algorithm 2",
    cost="O(n), after training an autoencoder on all images",
    memory="32·n",
    prefix=True,
)
def vaal(discriminator_scores: Floats, uniform: Floats, *, k: int) -> Batch:
    """Experimental. Query what a discriminator of codes takes for unlabelled; for `train --objective vaal`.

    Args:
        discriminator_scores: (n,) log-odds ln D - ln(1 - D) of "labelled", any finite number.
        uniform: (n,) in (0, 1), drawn from the seed and the image's identity alone.
        k: Images to pick.

    Returns:
        k rows, the smallest log-odds first; the score is their negative, the log-odds of "unlabelled". Where all are
        alike (deviation below 0.004) the discriminator has collapsed: the images are picked at random then, and
        the score is the random number.
    """
    deviation = float(discriminator_scores.std())
    if len(discriminator_scores) > 1 and deviation < _COLLAPSED:
        told = f"vaal: the discriminator's log-odds deviate by {deviation:.1g} only, so images are picked at random"
        logger.warning(told)
        rows = smallest(-uniform, k)
        return Batch(rows, uniform[rows], approximations=[told])
    rows = smallest(discriminator_scores, k)
    return Batch(rows, -discriminator_scores[rows])
