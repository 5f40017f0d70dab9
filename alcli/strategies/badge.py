"""Batch active learning by diverse gradient embeddings."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from alcli import randomness
from alcli.strategies._batch import Batch, Floats, Rows, Singles, filled
from alcli.strategies._kmeans_plus_plus import BLOCK, CLOSE, KMeansPlusPlus, Seeding, draw
from alcli.strategies._strategy import batch

logger = logging.getLogger("alcli")


@batch(
    paper="Ash et al., 2020, arXiv:1906.03671, algorithm 1; first centre as in JordanAsh/badge@a2d18ac",
    cost="O(k·n·(c + d)), pruned",
    memory="4·n·c + 32·n + 4·k·(c + d)",
    prefix=True,
    candidates="margin",
)
def badge(
    probabilities: Singles,
    embeddings: Singles,
    keys: NDArray[np.uint64],
    *,
    k: int,
    seed: int,
    device: str,
    bias: bool = False,
) -> Batch:
    """Draw images whose last-layer gradients are large and unlike, by k-means++.

    The gradient is that of the cross-entropy with the likeliest class in place of the label. The first image
    has the longest one; every later one is drawn in proportion to the squared distance to the nearest of those
    before. Labelled images are no centres. Images whose embedding is all zeros have no gradient: they only
    fill up.

    Args:
        probabilities: (n, c), rows sum to 1.
        embeddings: (n, d), the inputs of the last layer.
        keys: (n,) identities; they order what fills up.
        k: Images to pick.
        seed: Of the draws.
        device: `cpu`, or a CUDA device for the distances.
        bias: Whether the gradient with respect to the layer's bias counts too.

    Returns:
        k rows in the order of the draws; the score is the squared distance at the draw, that of the first one
        its squared length. Once no gradient is left that is not a centre's, random images fill up.
    """
    residuals = probabilities.copy()
    residuals[np.arange(len(residuals)), probabilities.argmax(axis=1)] -= 1
    seeding = _seeding(residuals, embeddings, bias=bias, device=device)
    rng = np.random.default_rng(randomness.derive_seed(seed, "badge"))
    rows, scores = _drawn(seeding, k, rng)
    quality = {"squared_distance_left": float(seeding.sums().sum()) if len(rows) else 0.0}
    if len(rows) == k:
        return Batch(rows, scores, ["diverse"] * k, quality=quality)
    logger.warning(
        "badge: only %d images have gradients of their own; %d more are random", len(rows), k - len(rows)
    )
    order = np.argsort(randomness.uniform(seed, "badge fill", keys), kind="stable")
    done = filled(rows, scores, k, order)
    return Batch(done.rows, done.scores, done.reasons, quality=quality | {"filled": k - len(rows)})


def _seeding(residuals: Singles, embeddings: Singles, *, bias: bool, device: str) -> Seeding:
    """Return the engine for the device."""
    if device == "cpu":
        return KMeansPlusPlus(residuals, embeddings, bias=bias)
    from alcli.accelerated import kmeans_plus_plus

    return kmeans_plus_plus.KMeansPlusPlus(
        residuals, embeddings, bias=bias, device=device, block=BLOCK, close=CLOSE
    )


def _drawn(seeding: Seeding, k: int, rng: np.random.Generator) -> tuple[Rows, Floats]:
    """Return up to k rows, and D² of each when it was drawn; fewer where nothing is left to draw from."""
    rows: list[int] = []
    scores: list[float] = []
    row = int(np.argmax(seeding.norms))
    score = float(seeding.norms[row])
    while score > 0:
        rows.append(row)
        scores.append(score)
        seeding.add(row)
        sums = seeding.sums()
        if len(rows) == k or not sums.any():
            break
        row, score = draw(seeding, sums, rng.random())
    return np.array(rows, np.int64), np.array(scores, np.float64)
