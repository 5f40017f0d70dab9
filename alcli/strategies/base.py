"""BASE: near to a decision boundary, the same number for every class.

The distance from an image to the boundary between classes i and j is |f_i - f_j| / ‖w_i - w_j‖ in the space of
the embeddings, which the last layer cuts by planes. The authors' code builds the differences w_i - w_j of every
image; a table of their lengths for all pairs of classes suffices.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli import uncertainty
from alcli.errors import InputRejected
from alcli.strategies._batch import DIVERSE, Batch, Floats, Rows, Singles
from alcli.strategies._order import smallest
from alcli.strategies._strategy import batch

logger = logging.getLogger("alcli")

_VALUES = 2**24  # distances held at once: 128 MiB


class _Decisions(NamedTuple):
    """What the last layer decides for each image.

    Attributes:
        classes: (n,) likeliest class.
        logits: (n,) of that class.
        distances: (n,) to the nearest boundary; infinite where there is none.
    """

    classes: Rows
    logits: Floats
    distances: Floats


@batch(
    paper="Emam et al., 2021, arXiv:2111.12880, balanced selection (BASE) of margins in feature space (MASE)",
    cost="O(n·c·d)",
    memory="32·n, and 128 MiB",
    prefix=False,
)
def base(
    embeddings: Singles,
    *,
    head_weights: NDArray[np.floating],
    head_bias: NDArray[np.floating],
    seed: int,
    k: int,
) -> Batch:
    """Take the images nearest to each class's decision boundary, as many for every class.

    Class by class, ⌊k/c⌋ of the images that no earlier class took: the nearest to the boundary that parts the
    class from the one that they are taken for, or from any other if that is the class itself. The first
    k mod c classes, counted from class `seed` mod c, take one more; so a small budget reaches other classes
    under another seed.

    Args:
        embeddings: (n, d), the inputs of the last layer.
        head_weights: (c, d).
        head_bias: (c,).
        seed: The class to begin with, modulo c.
        k: Images to pick.

    Returns:
        k rows, the first of every class in turn, then the second; the score is 1 / (1 + distance), 0 where
        no boundary exists: of a single class, or of classes with equal weights. `clusters` are the classes that
        the images were picked for.

    Raises:
        InputRejected: The last layer does not fit the embeddings.
    """
    weights, bias = head_weights.astype(np.float64), head_bias.astype(np.float64)
    if weights.shape[1] != embeddings.shape[1]:
        told = (
            f"the model's last layer takes {weights.shape[1]} numbers; embeddings have {embeddings.shape[1]}"
        )
        raise InputRejected(told, hint="score with the embeddings of the last layer")
    classes = len(weights)
    lengths = _lengths(weights)
    decisions = _decide(embeddings, weights, bias, lengths)
    if not np.isfinite(decisions.distances).any():
        logger.warning("base finds no boundary between classes: its order is that of the ids")
    order = (seed + np.arange(classes)) % classes
    wanted = k // classes + (np.arange(classes) < k % classes)
    taken = np.zeros(len(embeddings), np.bool_)
    picked: list[tuple[Rows, Floats]] = []
    step = max(1, _VALUES // len(embeddings))
    for start in range(0, classes, step):
        some = order[start : start + step]
        found = _distances(embeddings, weights, bias, lengths, decisions, some)
        for count, distances in zip(wanted[start : start + step], found.T, strict=True):
            free = np.flatnonzero(~taken)
            rows = free[smallest(distances[free], int(count))]
            taken[rows] = True
            picked.append((rows, distances[rows]))
    return _in_turn(picked, order)


def _lengths(weights: Floats) -> Floats:
    """Return ‖w_i - w_j‖, (c, c); 0 where the rows are equal, to the last bit."""
    found = np.empty((len(weights), len(weights)))
    for i, row in enumerate(weights):
        found[i] = np.linalg.norm(weights - row, axis=1)
    return found


def _decide(embeddings: Singles, weights: Floats, bias: Floats, lengths: Floats) -> _Decisions:
    n = len(embeddings)
    found = _Decisions(np.empty(n, np.int64), np.empty(n), np.empty(n))
    for block in uncertainty.blocks(n, sum(weights.shape)):
        logits = embeddings[block].astype(np.float64) @ weights.T + bias
        best = logits.argmax(axis=1)
        found.classes[block] = best
        found.logits[block] = logits[np.arange(len(best)), best]
        distances = _ratio(found.logits[block, None] - logits, lengths[best])
        found.distances[block] = distances.min(axis=1)  # to its own class infinite: the length is 0
    return found


def _distances(
    embeddings: Singles, weights: Floats, bias: Floats, lengths: Floats, decisions: _Decisions, classes: Rows
) -> Floats:
    """Return every image's distance to the boundary of each of some classes; (n, len(classes))."""
    found = np.empty((len(embeddings), len(classes)))
    for block in uncertainty.blocks(len(embeddings), embeddings.shape[1] + len(classes)):
        logits = embeddings[block].astype(np.float64) @ weights[classes].T + bias[classes]
        best = decisions.classes[block]
        found[block] = _ratio(decisions.logits[block, None] - logits, lengths[best][:, classes])
        own = best[:, None] == classes
        found[block] = np.where(own, decisions.distances[block, None], found[block])
    return found


def _ratio(gaps: Floats, lengths: Floats) -> Floats:
    """Return |gap| / length; infinite where the length is 0, as parallel planes part nothing."""
    found = np.full(gaps.shape, np.inf)
    np.divide(np.abs(gaps), lengths, out=found, where=lengths > 0)
    return found


def _in_turn(picked: list[tuple[Rows, Floats]], classes: Rows) -> Batch:
    """Deal out what the classes picked: everyone's first, then everyone's second."""
    rows = np.concatenate([rows for rows, _ in picked])
    distances = np.concatenate([distances for _, distances in picked])
    sizes = [len(rows) for rows, _ in picked]
    turn = np.concatenate([np.arange(size) for size in sizes])
    order = np.argsort(turn, kind="stable")
    return Batch(
        rows[order],
        1 / (1 + distances[order]),
        [DIVERSE] * len(rows),
        np.repeat(classes, sizes)[order],
        quality={"classes": int(np.count_nonzero(sizes))},
    )
