"""Soft bootstrapping (Reed et al., 2015, arXiv 1412.6596): labels are believed in part, predictions as well."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from alcli.parameters import Range


def bootstrap_soft(logits: Tensor, targets: Tensor, *, beta: Annotated[float, Range(0, 1)] = 0.95) -> Tensor:
    """Return -Σ_k [β t_k + (1 - β) q_k] ln q_k of each image, q = softmax(logits).

    That is β times the cross-entropy and 1 - β times the entropy of the prediction. The gradient flows through
    q in the target too.

    Args:
        logits: (b, c).
        targets: (b, c), rows sum to 1.
        beta: How far the given labels are believed.

    Returns:
        (b,) nats.
    """
    logs = F.log_softmax(logits, dim=1)
    return -((beta * targets + (1 - beta) * logs.exp()) * logs).sum(dim=1)
