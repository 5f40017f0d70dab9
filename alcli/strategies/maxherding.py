"""MaxHerding: greedy generalised coverage."""

from __future__ import annotations

from typing import Annotated

from alcli.geometry.coverage import Kernel
from alcli.parameters import Range
from alcli.strategies import _covering
from alcli.strategies._batch import Batch, Singles
from alcli.strategies._strategy import batch


@batch(
    paper="Bae, Noh & Sutherland, 2024, arXiv:2407.12212, §3.2, algorithm 1",
    cost=_covering.COST,
    memory=_covering.MEMORY,
    prefix=True,
    limit=_covering.limit,
)
def maxherding(
    embeddings: Singles,
    *,
    labelled_embeddings: Singles,
    k: int,
    seed: int,
    device: str,
    width: Annotated[float, Range(1e-3, 1e3)] = 1.0,
    normalise: bool = True,
    candidates_limit: Annotated[int, _covering.LIMIT] = _covering.CANDIDATES,
    reference_limit: Annotated[int, _covering.LIMIT] = _covering.REFERENCE,
) -> Batch:
    """Raise the pool's mean similarity to its nearest labelled image the most, one by one.

    Args:
        embeddings: (n, d).
        labelled_embeddings: (l, d); l may be 0.
        k: Images to pick.
        seed: Of the candidates and the reference where they are drawn.
        device: `cpu` or a CUDA device.
        width: h of the similarity exp(-(d / h)²).
        normalise: Whether embeddings are scaled to length 1, as in the paper.
        candidates_limit: Candidates are drawn uniformly from a larger pool.
        reference_limit: So are the images whose similarity counts.

    Returns:
        k rows; the score is the increase of the mean similarity.
    """
    cover = _covering.Cover(
        embeddings,
        labelled_embeddings,
        seed=seed,
        normalise=normalise,
        candidates_limit=candidates_limit,
        reference_limit=reference_limit,
    )
    return cover.pick(k, Kernel("rbf", width), device=device)
