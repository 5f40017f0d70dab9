"""Core-set selection: greedy k-center."""

from __future__ import annotations

import logging

import numpy as np

from alcli.strategies._batch import Batch, Singles, filled
from alcli.strategies._farthest import Traversal, farthest_first
from alcli.strategies._strategy import batch

logger = logging.getLogger("alcli")


@batch(
    paper="Sener & Savarese, 2018, arXiv:1708.00489, algorithm 1",
    cost="O((l + k)·n·d), pruned",
    memory="140·n + 72·(l + k)",
    prefix=True,
)
def kcenter(embeddings: Singles, *, labelled_embeddings: Singles, k: int, device: str) -> Batch:
    """Take the image farthest from all that are labelled or taken already, k times.

    The largest distance of an image to its nearest labelled one ends up at most twice what the best k images
    could reach. Exact: the triangle inequality spares most distances and changes no pick. Where nothing is
    labelled, the image nearest the mean comes first (the paper starts from a labelled set).

    Args:
        embeddings: (n, d).
        labelled_embeddings: (l, d); l may be 0.
        k: Images to pick.
        device: On `cuda`, distances are measured there, without pruning; picks are the same but for ties of
            rounding.

    Returns:
        k rows; the score is the distance to the nearest labelled or earlier image when it was picked. Once
        every image equals one of these, the smallest rows fill up.
    """
    if device.startswith("cuda"):
        from alcli.accelerated import kcenter as accelerated

        found = Traversal(*accelerated.farthest_first(embeddings, labelled_embeddings, k, device=device))
    else:
        found = farthest_first(embeddings, labelled_embeddings, k)
    done = filled(found.rows, found.scores, k, np.arange(len(embeddings)))
    quality = {"covering_radius": found.radius, "mean_distance": found.mean}
    left = k - len(found.rows)
    if left:
        quality["filled"] = left
        told = (
            "every image equals a labelled or chosen one after %d picks: %d fill up in the order of their ids"
        )
        logger.warning(told, len(found.rows), left)
    return Batch(done.rows, done.scores, done.reasons, quality=quality)
