"""The autoencoders take images of any size and give images of that size back."""

from __future__ import annotations

import math

import pytest
import torch
from alcli.networks import autoencoder
from alcli.networks.clustering import ClusteringLayer
from alcli.networks.variational import VariationalAutoencoder, discriminator


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [*range(28, 45), 63, 64, 97, 224])
def test_images_come_back_in_their_size(side: int, channels: int) -> None:
    images = torch.zeros(2, channels, side, side)
    with torch.inference_mode():
        codes = autoencoder.encoder(channels, side, 7)(images)
        assert codes.shape == (2, 7)
        assert autoencoder.decoder(channels, side, 7)(codes).shape == images.shape


def test_each_half_normalises_once() -> None:
    """algorithms.md A.9: after the last convolution, and before the last deconvolution."""
    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.BatchNorm2d)
    encoder, decoder = (
        [type(layer) for layer in make(1, 28, 10) if isinstance(layer, kinds)]
        for make in (autoencoder.encoder, autoencoder.decoder)
    )
    assert encoder == [torch.nn.Conv2d] * 3 + [torch.nn.BatchNorm2d]
    deconvolution = torch.nn.ConvTranspose2d
    assert decoder == [deconvolution, deconvolution, torch.nn.BatchNorm2d, deconvolution]


def test_the_maps_are_those_of_dcec() -> None:
    """28 px: 14, 7 and, unpadded, 3; 32 px: 16, 8 and, padded, 4 (code of DCEC)."""
    for side, last in ((28, 3), (32, 4)):
        linear = autoencoder.encoder(1, side, 10)[-1]
        assert linear.in_features == 128 * last * last


@pytest.mark.parametrize("side", [2, 8, 9, 15, 28, 31, 33, 64])
def test_variational_images_come_back_in_their_size(side: int) -> None:
    images = torch.zeros(2, 3, side, side)
    with torch.inference_mode():
        made = VariationalAutoencoder(3, side, 5, 4)(images)
        assert made.images.shape == images.shape
        assert made.mean.shape == made.log_variance.shape == (2, 5)
        assert discriminator(5)(made.mean).shape == (2, 1)


def test_codes_are_drawn_with_their_deviation_not_their_variance() -> None:
    """ln 4 is the logarithm of the variance: 20,000 codes deviate by 2 +- 0.01."""
    network = VariationalAutoencoder(1, 2, 4, 1)
    torch.nn.init.zeros_(network.mean.weight)
    torch.nn.init.zeros_(network.mean.bias)
    torch.nn.init.zeros_(network.log_variance.weight)
    torch.nn.init.constant_(network.log_variance.bias, math.log(4))
    network.decoder = torch.nn.Identity()
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(0)
        drawn = network.eval()(torch.zeros(5_000, 1, 2, 2)).images
    assert drawn.std().item() == pytest.approx(2, abs=0.05)
    assert drawn.mean().item() == pytest.approx(0, abs=0.07)


def test_the_variational_maps_of_32_px_are_the_published_ones() -> None:
    network = VariationalAutoencoder(3, 32, 32, 128)
    convolutions = [layer for layer in network.encoder if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [128, 256, 512, 1024]
    assert network.mean.in_features == 1024 * 2 * 2


def test_the_clustering_layer_is_student_s_t() -> None:
    layer = ClusteringLayer(2, 3)
    layer.centres.data.copy_(torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]]))
    kernel = torch.tensor([[1.0, 1 / 10, 1 / 17]])
    found = layer(torch.zeros(1, 2)).softmax(dim=1)
    assert torch.allclose(found, kernel / kernel.sum())
