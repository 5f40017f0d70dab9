"""Probability cover."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from alcli.geometry import clustering, coverage, distances
from alcli.geometry.coverage import Kernel
from alcli.parameters import Range
from alcli.strategies import _covering
from alcli.strategies._batch import Batch, Singles
from alcli.strategies._strategy import batch

_SAMPLE = 10_000  # images that the purity of balls is judged on


@batch(
    paper="Yehuda, Dekel, Hacohen & Weinshall, 2022, arXiv:2205.11320, algorithm 1; δ: §4.3",
    cost=_covering.COST,
    memory=_covering.MEMORY,
    prefix=True,
    limit=_covering.limit,
)
def probcover(
    embeddings: Singles,
    *,
    labelled_embeddings: Singles,
    classes: int,
    k: int,
    seed: int,
    device: str,
    delta: Annotated[float, Range(0, 1e3)] = 0.0,
    purity: Annotated[float, Range(0.5, 1)] = 0.95,
    clusters: Annotated[int, Range(0, 1_000)] = 0,
    normalise: bool = True,
    candidates_limit: Annotated[int, _covering.LIMIT] = _covering.CANDIDATES,
    reference_limit: Annotated[int, _covering.LIMIT] = _covering.REFERENCE,
) -> Batch:
    """Cover the most images by balls of radius delta around the labelled ones.

    An image covers those nearer than δ; images that a labelled one covers count no more. Every image may be
    picked: released code drops the last n mod 500 of them, and returns row 0 again and again once all are
    covered.

    Args:
        embeddings: (n, d).
        labelled_embeddings: (l, d); l may be 0.
        classes: How many there are, for the pseudo-labels.
        k: Images to pick.
        seed: Of the pseudo-labels, and of the candidates and the reference where they are drawn.
        device: `cpu` or a CUDA device.
        delta: δ; 0 takes the largest for which a share `purity` of the balls is pure.
        purity: The share of images in whose ball all have the same pseudo-label, by k-means.
        clusters: Pseudo-labels; 0 takes the number of classes, or 10 where fewer than 2 are known.
        normalise: Whether embeddings are scaled to length 1, as in the paper.
        candidates_limit: Candidates are drawn uniformly from a larger pool.
        reference_limit: So are the images to cover.

    Returns:
        k rows; the score is how many images a pick newly covers. Where all are covered, the images farthest
        from those chosen fill up.
    """
    cover = _covering.Cover(
        embeddings,
        labelled_embeddings,
        seed=seed,
        normalise=normalise,
        candidates_limit=candidates_limit,
        reference_limit=reference_limit,
    )
    notes: tuple[str, ...] = ()
    if delta == 0:
        count = clusters or (classes if classes > 1 else 10)
        sample = coverage.drawn(len(cover.reference), _SAMPLE, seed=seed, purpose="purity")
        delta = pure_radius(cover.reference[sample], count, purity, seed=seed)
        if len(sample) < len(embeddings):
            notes = (f"delta judged on {len(sample):,} of {len(embeddings):,} images",)
    return cover.pick(k, Kernel("ball", delta), device=device, counted=True, notes=notes)


def pure_radius(points: Singles, clusters: int, purity: float, *, seed: int) -> float:
    """Return the largest radius at which a share `purity` of the balls hold one pseudo-label only.

    A ball is pure up to the distance of the nearest point of another pseudo-label; so the radius is an order
    statistic of these distances, and no search is needed. (The released search by bisection keeps the graph
    of the radius that it tried last, and returns another radius.)

    Args:
        points: (n, d), n² distances are computed.
        clusters: Pseudo-labels, by k-means.
        purity: In (0, 1].
        seed: Of the first centres.

    Returns:
        The radius; 1 where all points are equal, or all in one cluster.
    """
    labels = clustering.kmeans(points, min(clusters, len(points)), seed=seed, purpose="probcover").labels
    others = np.full(len(points), np.inf)
    for first in range(0, len(points), 1_000):
        rows = slice(first, first + 1_000)
        found = distances.between(points[rows], points)
        found[labels[rows, None] == labels] = np.inf
        others[rows] = np.sqrt(found.min(axis=1))
    impure = len(points) - int(np.ceil(purity * len(points) - 1e-9))
    radii = np.sort(others)[impure:]
    radii = radii[(radii > 0) & np.isfinite(radii)]
    return float(radii[0]) if len(radii) else 1.0
