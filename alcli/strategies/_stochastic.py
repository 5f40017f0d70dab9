"""Stochastic batch acquisition: a batch that is less alike than the top k, for no extra work.

Kirsch et al., 2023, "Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning", TMLR,
arXiv:2106.12059, section 3. Adding Gumbel noise and taking the top k is sampling k images without
replacement, with probabilities that grow with the score; β = 0 would be random, β → ∞ is the strategy itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alcli.errors import UsageError
from alcli.parameters import Option, Range

Floats = NDArray[np.float64]
KIND = Option("stochastic", str, None, choices=("power", "softmax", "softrank"))
BETA = Option("beta", float, 1.0, bounds=Range(1e-6, 1e6))

_ROUNDING = 1e-9  # a score this little below 0 is a 0 that was rounded


def perturb(scores: Floats, keys: NDArray[np.uint64], noise: Floats, *, kind: str, beta: float) -> Floats:
    """Return scores whose top k is a random batch.

    Args:
        scores: (n,) of the whole pool, ≥ 0.
        keys: (n,) identities; the smaller one has the better rank among equal scores (softrank).
        noise: (n,) standard Gumbel numbers.
        kind: `power` (∝ s^β), `softmax` (∝ e^(β s)) or `softrank` (∝ rank^-β).
        beta: Above 0; the larger, the closer to the scores' own order.

    Raises:
        UsageError: A score is negative.
    """
    if (scores < -_ROUNDING).any():
        count = int((scores < -_ROUNDING).sum())
        raise UsageError(
            f"--stochastic needs scores of 0 or more; {count} are below, down to {scores.min():.4g}"
        )
    noise = noise / beta
    if kind == "power":
        return _power(np.maximum(scores, 0), noise)
    if kind == "softmax":
        return scores + noise
    ranks = np.empty(len(scores))
    ranks[np.lexsort((keys, -scores))] = np.arange(1, len(scores) + 1)
    return noise - np.log(ranks)


def _power(scores: Floats, noise: Floats) -> Floats:
    """Return ln s + noise; a score of 0, whose logarithm is -∞, comes right after the last positive one."""
    positive = scores > 0
    perturbed = np.log(scores, where=positive, out=np.zeros_like(scores)) + noise
    floor = perturbed[positive].min() - 1 if positive.any() else 0.0
    return np.where(positive, perturbed, floor)
