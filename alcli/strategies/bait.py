"""BAIT: the batch that leaves the least of the pool's Fisher information unexplained.

Minimised is tr(M⁻¹F), with M = λI + the information of the labelled images and of the batch, and F that of all,
each of the last layer. As in the authors' code, the labelled images' mean has the weight l / (l + k), and each
image of the batch k / (l + k). Exact, and much faster than computed anew at each pick: see `_fisher`.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from alcli import uncertainty
from alcli.errors import UsageError
from alcli.parameters import Range
from alcli.strategies import _fisher
from alcli.strategies._batch import DIVERSE, Batch, Floats, Rows, Singles, Size, filled
from alcli.strategies._order import smallest
from alcli.strategies._strategy import batch

logger = logging.getLogger("alcli")

_MOST_WIDE = 8_192  # c · d
_MOST_WORK = 1e14  # floating-point operations: about an hour on two cores
_MOST_BYTES = 16e9
_BLOCK = 8_192


def _limit(size: Size, options: Mapping[str, Any]) -> None:
    """Refuse a call that would take too long or too much memory.

    Raises:
        UsageError: With what it would take.
    """
    c, n, k = size.classes, size.rows, size.k
    d = min(options["width"] or size.width, size.width)
    if c * d > _MOST_WIDE:
        told = f"bait handles classes · width up to {_MOST_WIDE:,}; asked for {c:,} · {d:,} = {c * d:,}"
        narrower = f"--option width={_MOST_WIDE // c}, or " if c <= _MOST_WIDE else ""
        raise UsageError(told, hint=f"{narrower}--strategy badge")
    r = max(c - 1, 0)
    set_up = (3 * n + 2 * size.labelled) * (r * d) ** 2 + 6 * (r * d) ** 3
    work = set_up + 2 * min(2 * k, n) * n * (2 * r * r * d + 4 * r**3)
    held = 24 * n * r * r + 32 * (r * d) ** 2
    if work > _MOST_WORK or held > _MOST_BYTES:
        raise UsageError(
            f"bait on {n:,} images, k = {k:,}, would take {work:.1e} operations and {held / 1e9:.1f} GB;"
            f" up to {_MOST_WORK:.0e} and {_MOST_BYTES / 1e9:.0f} GB are allowed",
            hint="--candidates 5000, or --option width=64",
        )


@batch(
    paper="Ash et al., 2021, arXiv:2106.09675, algorithm 1",
    cost="O((n + l)·(c·d)² + k·n·c²·(c + d)), pruned",
    memory="24·n·c² + 32·(c·d)²",
    prefix=False,
    limit=_limit,
    candidates="margin",
)
def bait(
    probabilities: Singles,
    embeddings: Singles,
    *,
    labelled_probabilities: Singles,
    labelled_embeddings: Singles,
    k: int,
    regularisation: Annotated[float, Range(1e-6, 1e6)] = 1.0,
    width: Annotated[int, Range(0, _MOST_WIDE)] = 0,
) -> Batch:
    """Take the batch that best explains the Fisher information of all images.

    Greedily 2k images are added, each the one that lowers tr(M⁻¹F) the most; then, one by one, those taken out
    that raise it the least.

    Args:
        probabilities: (n, c).
        embeddings: (n, d), the inputs of the last layer.
        labelled_probabilities: (l, c); l may be 0.
        labelled_embeddings: (l, d).
        k: Images to pick.
        regularisation: λ; the paper takes 1, and 0.01 for CIFAR-10.
        width: Principal directions of the embeddings to keep, an approximation; 0 keeps all.

    Returns:
        k rows in the order in which they were added; the score is what each lowered tr(M⁻¹F) by. Images without
        information, certain ones, fill up by their margins. `quality` has tr(M⁻¹F) before and after.
    """
    n, labelled = len(embeddings), len(labelled_embeddings)
    notes = []
    if 0 < width < embeddings.shape[1]:
        embeddings, labelled_embeddings, note = _narrowed(embeddings, labelled_embeddings, width)
        notes.append(note)
    mine, theirs = _fisher.factors(probabilities), _fisher.factors(labelled_probabilities)
    known = _fisher.information(theirs, labelled_embeddings)
    target = (_fisher.information(mine, embeddings) + known) / (n + labelled)
    matrix = known / (labelled + k)  # their mean times l / (l + k)
    matrix[np.diag_indices_from(matrix)] += regularisation
    state = _fisher.Metric(matrix, target)
    mine *= np.sqrt(k / (labelled + k))
    before = state.objective
    rows, gains = _chosen(state, _fisher.Candidates(mine, embeddings), k)
    quality = {"objective_before": before, "objective": state.objective}
    found = Batch(rows, gains, [DIVERSE] * len(rows), quality=quality, approximations=notes)
    return found if len(rows) == k else _completed(found, probabilities, k)


def _chosen(state: _fisher.Metric, pool: _fisher.Candidates, k: int) -> tuple[Rows, Floats]:
    """Add up to 2k images, take out all but k; return the rows left, fewer if no more have information."""
    pool.measure(state)
    rows: list[int] = []
    gains: list[float] = []
    left = np.arange(len(pool.factors))
    while len(rows) < 2 * k and len(left):
        row, gain = pool.best(left, 1)
        if gain <= 0:
            break
        rows.append(row)
        gains.append(gain)
        left = left[left != row]
        pool.follow(*state.change(pool.factors[row], pool.embeddings[row], 1), 1)
    added = np.array(rows, np.int64)
    chosen = pool.subset(added)
    kept = np.arange(len(added))
    while len(kept) > k:
        out, _ = chosen.best(kept[::-1], -1)  # of equals the last one added
        kept = kept[kept != out]
        chosen.follow(*state.change(chosen.factors[out], chosen.embeddings[out], -1), -1)
    return added[kept], np.array(gains)[kept]


def _completed(found: Batch, probabilities: Singles, k: int) -> Batch:
    """Fill up with images without information, smallest margin first."""
    missing = k - len(found.rows)
    logger.warning(
        "bait finds information in %d images only: %d more follow by margin", len(found.rows), missing
    )
    order = smallest(
        uncertainty.margin(probabilities.astype(np.float64)), min(k + len(found.rows), len(probabilities))
    )
    return dataclasses.replace(
        filled(found.rows, found.scores, k, order),
        quality={**found.quality, "filled": missing},
        approximations=found.approximations,
    )


def _narrowed(embeddings: Singles, labelled: Singles, width: int) -> tuple[Singles, Singles, str]:
    """Project embeddings on the directions that hold most of their squares: those of Σ hhᵀ, not centred."""
    moment = np.zeros((embeddings.shape[1], embeddings.shape[1]))
    for points in (embeddings, labelled):
        for start in range(0, len(points), _BLOCK):
            block = points[start : start + _BLOCK].astype(np.float64)
            moment += block.T @ block
    values, vectors = np.linalg.eigh(moment)
    axes = vectors[:, -width:].astype(np.float32)
    share = values[-width:].sum() / max(values.sum(), np.finfo(np.float64).tiny)
    note = f"embeddings projected on {width} of {len(values)} directions, {share:.1%} of their squares"
    return embeddings @ axes, labelled @ axes, note
