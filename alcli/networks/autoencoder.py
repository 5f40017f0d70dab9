"""The convolutional autoencoder of cluster-contrastive learning.

Roda & Geva, 2024, doi:10.3389/frai.2024.1398844: three convolutions, one batch normalisation and a linear
embedding, mirrored by the decoder. They give no kernels: these are those of DCEC (Guo et al., 2017,
doi:10.1007/978-3-319-70096-0_39, code XifengGuo/DCEC at 7b08133). Batch normalisation comes after the last
convolution and before the last deconvolution, which the paper leaves open too.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

SMALLEST_PX = 28
_WIDTHS = (32, 64, 128)
_KERNELS = (5, 5, 3)


class _Halving(NamedTuple):
    """One convolution of stride 2.

    Attributes:
        kernel: Its side.
        padding: On each side.
        before: Side of the map that it takes.
        after: Side of the map that it gives.
    """

    kernel: int
    padding: int
    before: int
    after: int

    @property
    def missing(self) -> int:
        """What a transposed convolution lacks to give back the side before, 0 or 1."""
        return self.before - (2 * (self.after - 1) - 2 * self.padding + self.kernel)


def encoder(channels: int, image_size: int, embedding: int) -> nn.Sequential:
    """Return the encoder: (b, channels, s, s) to (b, embedding).

    Args:
        channels: 1 or 3.
        image_size: s, at least 28 px.
        embedding: Size of the code, at least 1.
    """
    first, second, third = _halvings(image_size)
    return nn.Sequential(
        _convolution(channels, _WIDTHS[0], first),
        nn.ReLU(),
        _convolution(_WIDTHS[0], _WIDTHS[1], second),
        nn.ReLU(),
        _convolution(_WIDTHS[1], _WIDTHS[2], third),
        nn.BatchNorm2d(_WIDTHS[2]),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(_WIDTHS[2] * third.after**2, embedding),
    )


def decoder(channels: int, image_size: int, embedding: int) -> nn.Sequential:
    """Return the decoder: (b, embedding) to (b, channels, s, s); the arguments are the encoder's."""
    first, second, third = _halvings(image_size)
    return nn.Sequential(
        nn.Linear(embedding, _WIDTHS[2] * third.after**2),
        nn.ReLU(),
        nn.Unflatten(1, (_WIDTHS[2], third.after, third.after)),
        _deconvolution(_WIDTHS[2], _WIDTHS[1], third),
        nn.ReLU(),
        _deconvolution(_WIDTHS[1], _WIDTHS[0], second),
        nn.BatchNorm2d(_WIDTHS[0]),
        nn.ReLU(),
        _deconvolution(_WIDTHS[0], channels, first),
    )


def _halvings(image_size: int) -> list[_Halving]:
    """Return the three convolutions; the last is padded only where the side can be halved three times, as in DCEC."""
    paddings = (2, 2, 1 if image_size % 8 == 0 else 0)
    found, side = [], image_size
    for kernel, padding in zip(_KERNELS, paddings, strict=True):
        after = (side + 2 * padding - kernel) // 2 + 1
        found.append(_Halving(kernel, padding, side, after))
        side = after
    return found


def _convolution(before: int, after: int, how: _Halving) -> nn.Conv2d:
    return nn.Conv2d(before, after, how.kernel, stride=2, padding=how.padding)


def _deconvolution(before: int, after: int, how: _Halving) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(
        before, after, how.kernel, stride=2, padding=how.padding, output_padding=how.missing
    )
