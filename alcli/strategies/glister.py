"""GLISTER-ACTIVE: whose gradient points where the loss of all falls (experimental).

To label image i and take a step along its gradient g_i changes the loss on a validation set V by -η⟨g_i, ∇L_V⟩,
to first order. In the last layer a gradient is a ⊗ h, with a = p - e_y and the embedding h; so ∇L_V is one (c, d)
matrix G, and the gain of an image aᵀG h. Labels of the pool are hypothesised, the likeliest class; that favours
images that the model gets wrong with confidence.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from alcli import uncertainty
from alcli.errors import InputRejected
from alcli.parameters import Range
from alcli.strategies._batch import DIVERSE, Batch, Floats, Rows, Singles, filled
from alcli.strategies._order import smallest
from alcli.strategies._strategy import batch

logger = logging.getLogger("alcli")

_REFRESHES = 20  # of the validation gradient, where the option does not say
_ROWS = 8_192  # of one product


@batch(
    paper="Killamsetty et al., 2021, arXiv:2012.10630, GLISTER-ACTIVE, first-order gain",
    cost="O((n + l)·c·d) for each refresh, 20 of them",
    memory="24·(n + l)·c",
    prefix=False,
)
def glister(
    probabilities: Singles,
    embeddings: Singles,
    *,
    labelled_probabilities: Singles,
    labelled_embeddings: Singles,
    labels: NDArray[np.int32],
    k: int,
    eta: Annotated[float, Range(0, 100)] = 0.01,
    refresh: Annotated[int, Range(0, 1_000_000)] = 0,
    validation: Literal["all", "labelled"] = "all",
) -> Batch:
    """Take the images whose gradients most reduce the loss of all (experimental).

    Args:
        probabilities: (n, c).
        embeddings: (n, d), the inputs of the last layer.
        labelled_probabilities: (l, c).
        labelled_embeddings: (l, d).
        labels: (l,) class codes; rows without one, or with one that the model does not know, count for nothing.
        k: Images to pick.
        eta: Step by which the last layer follows each picked gradient.
        refresh: Picks after which the validation gradient is computed anew; 1 is the algorithm as published,
            0 stands for ⌈k/20⌉.
        validation: What the loss is of: `all`, the labelled images with their labels and the pool with the
            hypothesised ones, as in the authors' code without a validation set; or the `labelled` only.

    Returns:
        k rows; the score is the gain ⟨g_i, ∇L_V⟩ when it was picked, L_V being a mean; it may be negative. Where
        no image has a gradient, as there is one class, the smallest margin decides.

    Raises:
        InputRejected: `validation` is `labelled`, and nothing is.
    """
    errors = _errors(probabilities, probabilities.argmax(axis=1))
    if not errors.any():
        logger.warning("no image has a gradient: glister takes the smallest margins instead")
        order = smallest(uncertainty.margin(probabilities.astype(np.float64)), k)
        return dataclasses.replace(
            filled(np.empty(0, np.int64), np.empty(0), k, order), quality={"filled": k}
        )
    known = (labels >= 0) & (labels < probabilities.shape[1])
    loss = _Loss(labelled_probabilities[known], labelled_embeddings[known], labels[known])
    parts = [loss]
    if validation == "all":
        parts.append(_Loss(probabilities, embeddings, probabilities.argmax(axis=1)))
    elif not known.any():
        raise InputRejected(
            "no labelled images: their loss cannot be reduced", hint="--option validation=all, or label some"
        )
    every = refresh or -(-k // _REFRESHES)
    rows, gains = _pick(errors, embeddings, parts, k, eta, every)
    notes = (
        [f"gradient of the validation loss computed anew every {every} picks"]
        if every > 1 and k > every
        else []
    )
    return Batch(
        rows, gains, [DIVERSE] * k, quality={"expected_gain": float(gains.sum())}, approximations=notes
    )


class _Loss:
    """The cross-entropy of some images under a last layer that moves.

    Logits are known up to a number per row, which softmax ignores: they are the logarithms of probabilities.
    """

    def __init__(self, probabilities: Singles, embeddings: Singles, targets: NDArray[np.integer]) -> None:
        self._logits = np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float64).tiny))
        self._embeddings = embeddings
        self._targets = targets

    def __len__(self) -> int:
        return len(self._targets)

    def gradient(self) -> Floats:
        """Return Σ a ⊗ h; (c, d)."""
        total = np.zeros((self._logits.shape[1], self._embeddings.shape[1]))
        for block, h in _blocks(self._embeddings):
            p = np.exp(self._logits[block] - self._logits[block].max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            total += _errors(p, self._targets[block]).T @ h
        return total

    def step(self, change: Floats) -> None:
        """Add `change`, (c, d), to the last layer's weights."""
        for block, h in _blocks(self._embeddings):
            self._logits[block] += h @ change.T


def _pick(
    errors: Floats, embeddings: Singles, parts: list[_Loss], k: int, eta: float, every: int
) -> tuple[Rows, Floats]:
    """Take `every` images at a time by their gains, and let the last layer follow their gradients."""
    rows, scores = np.empty(0, np.int64), np.empty(0)
    free = np.ones(len(errors), np.bool_)
    count = sum(map(len, parts))
    while len(rows) < k:
        gradient = np.sum([part.gradient() for part in parts], axis=0) / count
        gains = _gains(errors, embeddings, gradient)
        scale = np.abs(gains).max() or 1.0  # equal gains tie, whatever their size
        left = np.flatnonzero(free)
        new = left[smallest(-gains[left] / scale, min(every, k - len(rows)))]
        free[new] = False
        rows, scores = np.concatenate([rows, new]), np.concatenate([scores, gains[new]])
        change = -eta * (errors[new].T @ embeddings[new].astype(np.float64))
        for part in parts:
            part.step(change)
    return rows, scores


def _gains(errors: Floats, embeddings: Singles, gradient: Floats) -> Floats:
    """Return ⟨a ⊗ h, G⟩ = aᵀG h of each row; (n,)."""
    found = np.empty(len(errors))
    for block, h in _blocks(embeddings):
        found[block] = np.einsum("nc,nc->n", errors[block], h @ gradient.T)
    return found


def _errors(probabilities: NDArray[np.floating], targets: NDArray[np.integer]) -> Floats:
    """Return p - e_y; (n, c)."""
    found = probabilities.astype(np.float64)
    found[np.arange(len(found)), targets] -= 1
    return found


def _blocks(embeddings: Singles) -> Iterator[tuple[slice, Floats]]:
    for start in range(0, len(embeddings), _ROWS):
        block = slice(start, min(start + _ROWS, len(embeddings)))
        yield block, embeddings[block].astype(np.float64)
