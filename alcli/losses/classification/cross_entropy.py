"""Cross-entropy with any targets."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -Σ_k t_k ln q_k of each image, q = softmax(logits).

    Args:
        logits: (b, c).
        targets: (b, c), rows sum to 1.

    Returns:
        (b,) nats; never NaN for finite logits.
    """
    return -(targets * F.log_softmax(logits, dim=1)).sum(dim=1)
