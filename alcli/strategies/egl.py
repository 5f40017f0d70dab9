"""Expected gradient length.

What two papers call EGL is not it. The released code of DAL (Gissin & Shalev-Shwartz, 2019) takes one squared
norm of the mean gradient of 100 images and hands it to each of them; that of DFAL (Ducoffe & Precioso, 2018)
averages the gradients over the classes before it takes the norm, which is largest for the surest images. So
what they report of EGL says nothing about the following.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from alcli.strategies._strategy import Floats, pointwise


def _of_network(
    gradient_lengths: Floats, *, scope: Literal["network"] = "network", bias: bool = True
) -> Floats:
    """Return the lengths as they are: (n,) over all trained parameters, biases among them."""
    del scope, bias  # a variant is called with every option
    return gradient_lengths


@pointwise(
    paper="Settles, Craven & Ray, 2008, NIPS 20, §3; classification: Huang et al., 2016, arXiv:1612.03226, eq. 3; "
    "closed form for the last layer",
    cost="O(n·(c + d)); scope=network: 5 backward passes for each candidate",
    variants={("scope", "network"): _of_network},
)
def egl(
    probabilities: Floats,
    embeddings: Floats,
    *,
    scope: Literal["last-layer", "network"] = "last-layer",  # noqa: ARG001  # read by the registry
    bias: bool = False,
) -> Floats:
    """Query where the gradient of the loss is expected to be longest.

    The gradient of the cross-entropy of class y by the last layer's weights is (p - e_y) hᵀ, so its length
    is ‖h‖ · ‖p - e_y‖; the expectation is over y ~ p.

    Args:
        probabilities: (n, c); rows sum to 1.
        embeddings: (n, d), the input h of the last layer.
        scope: "last-layer", or "network": over all trained parameters, with the five likeliest classes
            (see `alcli.networks.gradient_lengths`), for which the network is differentiated.
        bias: Count the last layer's biases among its weights: √(1 + ‖h‖²) in place of ‖h‖.

    Returns:
        (n,) scores ≥ 0: ‖h‖ Σ_y p_y √(Σ_i p_i² + 1 - 2 p_y); 0 where p is certain.
    """
    squares = (embeddings * embeddings).sum(axis=1)  # (n,) ‖h‖²
    return np.asarray(np.sqrt(squares + bias) * _expected_error(probabilities))


def _expected_error(probabilities: Floats) -> Floats:
    """Return Σ_y p_y ‖p - e_y‖; (n, c) -> (n,).

    For the likeliest class the terms are summed from the others, as 1 - p_y would lose the digits of a p_y
    near 1; for those below, Σp² + 1 - 2 p_y loses none.
    """
    rows = np.arange(len(probabilities))
    top = probabilities.argmax(axis=1)
    rest = probabilities.copy()
    rest[rows, top] = 0
    others = (rest * rest).sum(axis=1)
    squared = (probabilities * probabilities).sum(axis=1)[:, None] + 1 - 2 * rest  # (n, c)
    squared[rows, top] = others + rest.sum(axis=1) ** 2
    return np.asarray((probabilities * np.sqrt(squared)).sum(axis=1))
