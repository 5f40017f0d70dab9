"""LeNet-5 (LeCun et al., 1998, Gradient-based learning applied to document recognition, figure 2).

Departures, as everywhere today: every map of the third layer sees all six maps below it, pooling has no
weights, and the output is a linear layer. For ten classes on 32×32 grey images it has 61,706 parameters.
"""

from __future__ import annotations

from torch import nn

WIDTH = 84
DROPOUT = 0.0
_PAPER_PX = 32
_MAP = 5  # side of the last feature maps in the paper


def lenet5(channels: int, image_size: int) -> nn.Sequential:
    """Return the backbone: (b, channels, s, s) to (b, 84).

    Args:
        channels: 1 or 3.
        image_size: s, at least 8 px. The paper's is 32. Smaller images are padded by 2 px before the first
            convolution, as MNIST's 28 px are in the paper, and under 16 px before the second too; where the
            last maps are not 5×5 they are brought to it by adaptive averaging.
    """
    first, second = (2 if image_size < limit else 0 for limit in (_PAPER_PX, _PAPER_PX // 2))
    side = ((image_size - 4 + 2 * first) // 2 - 4 + 2 * second) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=first),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5, padding=second),
        nn.Tanh(),
        nn.AvgPool2d(2),  # (b, 16, side, side)
        nn.Identity() if side == _MAP else nn.AdaptiveAvgPool2d(_MAP),
        nn.Flatten(),
        nn.Linear(16 * _MAP * _MAP, 120),
        nn.Tanh(),
        nn.Linear(120, WIDTH),
        nn.Tanh(),
    )
