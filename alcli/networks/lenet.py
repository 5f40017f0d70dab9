"""The small network with dropout of the active-learning literature.

Gissin & Shalev-Shwartz, 2019, arXiv 1907.06347, as in their code (dsgissin/DiscriminativeActiveLearning at
625e9a1): 32 and 64 3×3 convolutions, each followed by max-pooling, 128 hidden units, dropout 0.5. With a
linear classifier for ten classes on 28×28 grey images it has 225,034 parameters.

Each rectifier comes behind the pooling instead of before it: the maximum of rectified numbers is the rectified
maximum, to the bit and in its gradient too, and there is a quarter of them left to rectify.
"""

from __future__ import annotations

from torch import nn

WIDTH = 128
DROPOUT = 0.5  # before the classifier; the network that is built on this backbone applies it
_UNPADDED_FROM_PX = 16


def lenet(channels: int, image_size: int) -> nn.Sequential:
    """Return the backbone: (b, channels, s, s) to (b, 128).

    Args:
        channels: 1 or 3.
        image_size: s, at least 8 px. Under 16 px the convolutions are padded, or nothing would be left of the
            image; from there on they are not, as published.
    """
    padding = 0 if image_size >= _UNPADDED_FROM_PX else 1
    side = ((image_size - 2 + 2 * padding) // 2 - 2 + 2 * padding) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=padding),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=padding),
        nn.MaxPool2d(2),  # (b, 64, side, side)
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * side * side, WIDTH),
        nn.ReLU(),
    )
