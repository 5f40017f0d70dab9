"""The clustering loss of deep embedded clustering: KL(P‖Q) to a sharpened target.

Xie, Girshick & Farhadi, 2016, arXiv:1511.06335, equations 2 and 3; as equations 2 and 3 of Roda & Geva, 2024,
doi:10.3389/frai.2024.1398844.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

DEAD = 1e-12  # added to the mass of a cluster, so that one without any does no harm


def target(assigned: Tensor, masses: Tensor) -> Tensor:
    """Return the target distribution P: q²/f, each row scaled to sum to 1.

    Args:
        assigned: (b, c) soft assignments q of some images; rows sum to 1.
        masses: (c,) f, the sums of q over all images.
    """
    sharpened = assigned.square() / (masses + DEAD)
    return sharpened / sharpened.sum(dim=1, keepdim=True)


def clustering(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean of KL(p‖q) = Σ_j p_j ln(p_j / q_j) over the images of a batch, in nats.

    By the embedding its gradient is 2/b · Σ_j (p_j - q_j)(z - μ_j) / (1 + ‖z - μ_j‖²).

    Args:
        logits: (b, c) of a clustering layer, whose softmax is q.
        targets: (b, c) p, constants; rows sum to 1.
    """
    return F.kl_div(logits.log_softmax(dim=1), targets, reduction="batchmean")
