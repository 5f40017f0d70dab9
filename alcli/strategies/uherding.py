"""Uncertainty herding."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from alcli.geometry.coverage import Kernel
from alcli.parameters import Range
from alcli.strategies import _covering
from alcli.strategies._batch import Batch, Floats, Singles
from alcli.strategies._strategy import batch


@batch(
    paper="Bae, Oliveira & Sutherland, 2025, arXiv:2412.20644, §3, algorithm 1",
    cost=_covering.COST,
    memory=_covering.MEMORY + " + 8·n",
    prefix=True,
    limit=_covering.limit,
)
def uherding(
    embeddings: Singles,
    margin: Floats,
    confidence: Floats,
    entropy: Floats,
    *,
    labelled_embeddings: Singles,
    k: int,
    seed: int,
    device: str,
    uncertainty: Literal["margin", "confidence", "entropy"] = "margin",
    width: Annotated[float, Range(0, 1e3)] = 0.0,
    normalise: bool = True,
    candidates_limit: Annotated[int, _covering.LIMIT] = _covering.CANDIDATES,
    reference_limit: Annotated[int, _covering.LIMIT] = _covering.REFERENCE,
) -> Batch:
    """Cover the pool where the model is uncertain: MaxHerding weighted by uncertainty.

    With few labelled images it covers; with many its kernel narrows, and it ranks by uncertainty.

    Args:
        embeddings: (n, d).
        margin: (n,) p1 - p2.
        confidence: (n,) p1.
        entropy: (n,) in nats.
        labelled_embeddings: (l, d). Where l is 0 no model can have learnt what its uncertainty says: all
            weights are 1, as in the paper.
        k: Images to pick.
        seed: Of the candidates and the reference where they are drawn.
        device: `cpu` or a CUDA device.
        uncertainty: The weight: `margin`: 1 - (p1 - p2). `confidence`: 1 - p1. `entropy`: itself.
        width: h of the similarity exp(-(d / h)²); 0 takes the smallest distance between labelled images, no
            less than the 1 % quantile of the distances to the nearest; 1 where there are not two.
        normalise: Whether embeddings are scaled to length 1, as in the paper.
        candidates_limit: Candidates are drawn uniformly from a larger pool.
        reference_limit: So are the images that count.

    Returns:
        k rows; the score is the increase of the weighted similarity, per image. Where nothing is left to
        cover, the most uncertain images fill up.
    """
    cover = _covering.Cover(
        embeddings,
        labelled_embeddings,
        seed=seed,
        normalise=normalise,
        candidates_limit=candidates_limit,
        reference_limit=reference_limit,
    )
    by_name = {"margin": 1 - margin, "confidence": 1 - confidence, "entropy": entropy}
    weights = np.maximum(by_name[uncertainty], 0) if len(labelled_embeddings) else None
    kernel = Kernel("rbf", width or _covering.adaptive_width(cover.labelled))
    return cover.pick(k, kernel, device=device, weights=weights)
