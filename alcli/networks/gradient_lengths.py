"""Expected gradient length over all trained parameters (Settles, Craven & Ray, 2008, NIPS 20, section 3).

The gradient that is measured is that of T · cross-entropy at temperature T, whose part by the logits is
p - e_y with the calibrated p: so the last layer's share is just what the closed form of `egl` gives.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from alcli.networks.model import Model

CLASSES = 5
_GRADIENT_VALUES = 2**26  # kept at a time: 256 MiB


def gradient_lengths(
    model: Model, images: Tensor, *, temperature: float = 1.0, classes: int = CLASSES
) -> Tensor:
    """Return the expected gradient length of each image; the model is left as it is.

    Args:
        model: In evaluation mode, so that batch statistics are frozen and dropout is off. Of one with a frozen
            backbone only the head is differentiated: nothing else was, or will be, trained.
        images: (b, C, H, W), as the network takes them.
        temperature: Of the calibration.
        classes: The expectation is over the likeliest so many, their probabilities scaled to sum to 1.

    Returns:
        (b,) float64.
    """
    classifier = model.classifier
    if not model.frozen:
        return expected_lengths(classifier, images, temperature=temperature, classes=classes)
    with torch.no_grad():
        embeddings = classifier.scale(classifier.backbone(images))
    return expected_lengths(classifier.head, embeddings, temperature=temperature, classes=classes)


def expected_lengths(network: nn.Module, inputs: Tensor, *, temperature: float, classes: int) -> Tensor:
    """Return Σ_y p_y ‖∇ loss(x, y)‖ over the parameters of `network`; (b, …) -> (b,) float64.

    `network` returns logits, or a tuple that begins with them.
    """
    parameters = {name: value.detach() for name, value in network.named_parameters()}

    def length(one: Tensor) -> Tensor:
        def forward(values: dict[str, Tensor]) -> Tensor:
            returned: Any = functional_call(network, values, (one[None],))
            logits: Tensor = returned[0] if isinstance(returned, tuple) else returned
            return logits[0].float()

        logits, back, *_ = vjp(forward, parameters)
        p = (logits / temperature).softmax(dim=0)  # (c,)
        likely, at = p.topk(min(classes, len(p)))
        errors = p - torch.eye(len(p), device=p.device)[at]  # (m, c)
        (slopes,) = vmap(back)(errors)
        squares = [slope.flatten(1).square().sum(dim=1).double() for slope in slopes.values()]
        lengths = torch.stack(squares).sum(dim=0).sqrt()  # (m,)
        expected: Tensor = (lengths * likely.double()).sum() / likely.double().sum()
        return expected

    count = sum(value.numel() for value in parameters.values()) * classes
    found: Tensor = vmap(length, chunk_size=max(1, _GRADIENT_VALUES // count))(inputs)
    return found.detach()
