"""The two networks of variational adversarial active learning: an autoencoder, and what judges its codes.

Sinha, Ebrahimi & Darrell, 2019, arXiv:1904.00370, as in their code (sinhasam/vaal at 67263f3): convolutions
4×4 of stride 2 with batch normalisation, each twice as wide as the one before, and a perceptron with two
hidden layers of 512 units. The code is made for 32 px and four convolutions; here there are fewer where an
image would be halved away, and maps of any side are given back.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

_MOST_HALVINGS = 4
_HIDDEN = 512


class Reconstruction(NamedTuple):
    """What an autoencoder makes of b images.

    Attributes:
        images: (b, C, s, s) given back.
        mean: (b, z) of the code.
        log_variance: (b, z) of the code.
    """

    images: Tensor
    mean: Tensor
    log_variance: Tensor


class VariationalAutoencoder(nn.Module):
    """A β-VAE.

    Args:
        channels: C, 1 or 3.
        image_size: s, at least 2 px.
        code: Size z of the code.
        width: Channels of the first convolution.
    """

    def __init__(self, channels: int, image_size: int, code: int, width: int) -> None:
        super().__init__()
        sides = [image_size]
        while len(sides) <= _MOST_HALVINGS and sides[-1] >= 2:
            sides.append(sides[-1] // 2)
        widths = [channels, *(width << step for step in range(len(sides) - 1))]
        size = widths[-1] * sides[-1] ** 2
        self.encoder = nn.Sequential(*_halved(widths), nn.Flatten())
        self.mean = nn.Linear(size, code)
        self.log_variance = nn.Linear(size, code)
        self.decoder = nn.Sequential(
            nn.Linear(code, size),
            nn.Unflatten(1, (widths[-1], sides[-1], sides[-1])),
            *_doubled(widths, sides),
        )

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the variance of the codes, (b, z) each, of (b, C, s, s) images."""
        features = self.encoder(images)
        return self.mean(features), self.log_variance(features)

    def forward(self, images: Tensor) -> Reconstruction:
        """Return what is given back of a code drawn for each image from torch's own generator."""
        mean, log_variance = self.encode(images)
        drawn = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return Reconstruction(self.decoder(drawn), mean, log_variance)


def discriminator(code: int) -> nn.Sequential:
    """Return what judges codes: (b, code) to (b, 1), the log-odds of "labelled"."""
    return nn.Sequential(
        nn.Linear(code, _HIDDEN),
        nn.ReLU(),
        nn.Linear(_HIDDEN, _HIDDEN),
        nn.ReLU(),
        nn.Linear(_HIDDEN, 1),
    )


def _halved(widths: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return layers


def _doubled(widths: list[int], sides: list[int]) -> list[nn.Module]:
    """Return the way back; where a side was odd, one row and column more."""
    layers: list[nn.Module] = []
    for step in range(len(widths) - 1, 0, -1):
        odd = sides[step - 1] - 2 * sides[step]
        last = step == 1
        layers.append(
            nn.ConvTranspose2d(widths[step], widths[step - 1], 4, 2, 1, output_padding=odd, bias=last)
        )
        if not last:
            layers += [nn.BatchNorm2d(widths[step - 1]), nn.ReLU()]
    return layers
