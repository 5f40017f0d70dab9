"""The perceptron of Reed et al. (2015, arXiv 1412.6596, section 4.1): 784-500-300 and a linear classifier on top.

It looks at pixels without knowing which are neighbours, so it learns noisy labels by heart sooner than
convolutions do: what losses for noisy labels are compared on.
"""

from __future__ import annotations

from torch import nn

WIDTH = 300
DROPOUT = 0.0
_HIDDEN = 500


def mlp(channels: int, image_size: int) -> nn.Sequential:
    """Return the backbone: (b, channels, s, s) to (b, 300).

    Args:
        channels: 1 or 3.
        image_size: s, in px. The paper's is 28.
    """
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * image_size**2, _HIDDEN),
        nn.ReLU(),
        nn.Linear(_HIDDEN, WIDTH),
        nn.ReLU(),
    )
