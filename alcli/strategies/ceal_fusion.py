"""CEAL_FUSION: three uncertainties propose, chance disposes."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from alcli import randomness
from alcli.strategies._batch import FILL, RANK, Batch, Floats
from alcli.strategies._order import smallest
from alcli.strategies._strategy import batch

logger = logging.getLogger("alcli")


@batch(
    paper="Wang et al., 2017, doi:10.1109/TCSVT.2016.2589879, arXiv:1701.03551, CEAL_FUSION",
    cost="O(n + k·log k)",
    memory="32·n",
    prefix=False,
    candidates="margin",
)
def ceal_fusion(
    confidence: Floats, margin: Floats, entropy: Floats, keys: NDArray[np.uint64], *, seed: int, k: int
) -> Batch:
    """Draw from the most uncertain by confidence, by margin and by entropy.

    The first ⌈k/2⌉ of each order are put together, and k of these drawn at random. Where they are fewer than
    k, all are taken and the next ones by least confidence added: the paper does not say what to do then. It is
    always so with two classes, whose three orders are one.

    Args:
        confidence: (n,) p1.
        margin: (n,) p1 - p2.
        entropy: (n,) nats.
        keys: (n,) identities: whether an image is drawn does not depend on the order of files.
        seed: Of the draw.
        k: Images to pick.

    Returns:
        k rows, least confident first, the added ones after the others; the score is 1 - p1.
    """
    half = (k + 1) // 2
    united = np.unique(np.concatenate([smallest(values, half) for values in (confidence, margin, -entropy)]))
    drawn = united[np.argsort(randomness.uniform(seed, "ceal-fusion", keys[united]), kind="stable")[:k]]
    order = smallest(confidence, k)
    added = order[~np.isin(order, drawn)][: k - len(drawn)]
    rows = np.concatenate([drawn[smallest(confidence[drawn], len(drawn))], added])
    if len(added):
        logger.warning(
            "the three orders of ceal-fusion agree on %d images: %d more follow by least confidence",
            len(united),
            len(added),
        )
    return Batch(
        rows,
        1 - confidence[rows],
        [RANK] * len(drawn) + [FILL] * len(added),
        quality={"united": len(united), "filled": len(added)},
    )
