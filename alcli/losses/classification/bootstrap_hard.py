"""Hard bootstrapping (Reed et al., 2015, arXiv 1412.6596): labels are believed in part, the predicted class too."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from alcli.parameters import Range


def bootstrap_hard(logits: Tensor, targets: Tensor, *, beta: Annotated[float, Range(0, 1)] = 0.8) -> Tensor:
    """Return -Σ_k [β t_k + (1 - β) z_k] ln q_k of each image, z one-hot at the largest of q = softmax(logits).

    z is a constant: no gradient flows through it. Of equally likely classes the first is taken.

    Args:
        logits: (b, c).
        targets: (b, c), rows sum to 1.
        beta: How far the given labels are believed.

    Returns:
        (b,) nats.
    """
    logs = F.log_softmax(logits, dim=1)
    predicted = F.one_hot(logits.argmax(dim=1), logits.shape[1])
    return -((beta * targets + (1 - beta) * predicted) * logs).sum(dim=1)
