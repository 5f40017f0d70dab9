"""Facility location."""

from __future__ import annotations

from typing import Annotated, Literal

from alcli.geometry.coverage import Kernel
from alcli.parameters import Range
from alcli.strategies import _covering
from alcli.strategies._batch import Batch, Singles
from alcli.strategies._strategy import batch


@batch(
    paper="Wei, Iyer & Bilmes, 2015, ICML, Submodularity in data subset selection and active learning, §3",
    cost=_covering.COST,
    memory=_covering.MEMORY,
    prefix=True,
    limit=_covering.limit,
)
def facility_location(
    embeddings: Singles,
    *,
    labelled_embeddings: Singles,
    k: int,
    seed: int,
    device: str,
    similarity: Literal["cosine", "rbf"] = "cosine",
    width: Annotated[float, Range(1e-3, 1e3)] = 1.0,
    candidates_limit: Annotated[int, _covering.LIMIT] = _covering.CANDIDATES,
    reference_limit: Annotated[int, _covering.LIMIT] = _covering.REFERENCE,
) -> Batch:
    """Pick the images that best represent every other one: the sum of largest similarities.

    Args:
        embeddings: (n, d).
        labelled_embeddings: (l, d); l may be 0.
        k: Images to pick.
        seed: Of the candidates and the reference where they are drawn.
        device: `cpu` or a CUDA device.
        similarity: `cosine`: (1 + cos) / 2. `rbf`: exp(-(d / width)²) of embeddings as they are.
        width: Of `rbf`.
        candidates_limit: Candidates are drawn uniformly from a larger pool.
        reference_limit: So are the images that are represented.

    Returns:
        k rows; the score is the increase of the mean similarity.
    """
    cover = _covering.Cover(
        embeddings,
        labelled_embeddings,
        seed=seed,
        normalise=similarity == "cosine",
        candidates_limit=candidates_limit,
        reference_limit=reference_limit,
    )
    return cover.pick(k, Kernel(similarity, width), device=device)
