"""Bootstrapping by consistency with reconstruction (Reed et al., 2015, arXiv 1412.6596).

The classifier's softmax q is taken for the *true* label, of which the given, noisy one is a corruption: a first
map turns q into the distribution of given labels, a second one turns it back into the image. So q is held to
what can be seen, and the first map absorbs how labels are mixed up.

This is the paper's form, P(t | x) = softmax(W1 q) and the squared error of x - W2 q, with the error's mean over
pixels as in published replications, from which β = 0.005 comes too. A bias could add nothing to either map,
since q sums to 1. There is no rectifier after W2: images are shifted to mean 0 here and may be negative. W1
begins as a label that is right in nine of ten cases, and W2 as 0, so that nothing is drawn.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alcli.parameters import Range

_RIGHT_AT_FIRST = 0.9


class Maps(nn.Module):
    """W1, from true to given labels, and W2, from true labels to inputs; they train along with the classifier.

    Args:
        classes: c.
        inputs: Numbers of one input, such as the pixels of an image times its channels.
    """

    def __init__(self, classes: int, inputs: int) -> None:
        super().__init__()
        at_first = math.log(_RIGHT_AT_FIRST / (1 - _RIGHT_AT_FIRST) * max(classes - 1, 1))
        self.labels = nn.Parameter(at_first * torch.eye(classes))  # (c, c), given from true
        self.pixels = nn.Parameter(torch.zeros(inputs, classes))


def bootstrap_reconstruction(
    logits: Tensor,
    targets: Tensor,
    *,
    inputs: Tensor,
    maps: Maps,
    beta: Annotated[float, Range(0, 1e6)] = 0.005,
) -> Tensor:
    """Return -Σ_k t_k ln softmax(W1 q)_k + β · mean((x - W2 q)²) of each image, q = softmax(logits).

    Args:
        logits: (b, c).
        targets: (b, c), the given labels; rows sum to 1.
        inputs: (b, …) what the classifier saw.
        maps: W1 and W2.
        beta: Weight of the reconstruction.

    Returns:
        (b,); nats and squared units of the inputs.
    """
    with torch.autocast(logits.device.type, enabled=False):  # sums over thousands of pixels
        true = F.softmax(logits, dim=1)
        given = F.log_softmax(true @ maps.labels.T, dim=1)
        error = (inputs.flatten(1).to(true.dtype) - true @ maps.pixels.T).square().mean(dim=1)
    return beta * error - (targets * given).sum(dim=1)
