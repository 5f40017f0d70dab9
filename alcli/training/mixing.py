"""Mixup (Zhang, Cissé, Dauphin & Lopez-Paz, 2018, arXiv 1710.09412): learn from mixtures of two images each."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def mixed(inputs: Tensor, shares: Tensor, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return λ of every image and 1 - λ of another one of the batch, targets alike; one λ ~ Beta(α, α) for all.

    Args:
        inputs: (b, …).
        shares: (b, c) targets.
        alpha: Above 0; the larger, the nearer λ is to a half.
        rng: Draws λ and which image goes with which.

    Returns:
        Inputs and targets of the same shapes.
    """
    share = float(rng.beta(alpha, alpha))
    other = torch.from_numpy(rng.permutation(len(inputs))).to(inputs.device)
    return share * inputs + (1 - share) * inputs[other], share * shares + (1 - share) * shares[other]
