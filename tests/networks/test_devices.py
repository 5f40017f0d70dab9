"""Choosing a device, and pixels on their way to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from alcli.errors import UsageError
from alcli.images.transform import Transform
from alcli.networks import choose_device, choose_precision, to_input

CPU = torch.device("cpu")


def test_auto_finds_something_and_cpu_is_always_there() -> None:
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:", "cpu:1", "cuda:4096", ""])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    if name == "cuda:" and torch.cuda.is_available():
        pytest.skip("cuda is there")
    with pytest.raises(UsageError, match="device"):
        choose_device(name)


def test_precision() -> None:
    assert choose_precision("auto", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"
    with pytest.raises(UsageError, match="unknown precision 'fp16'"):
        choose_precision("fp16", CPU)


def test_pixels_are_normalised_by_channel() -> None:
    transform = Transform(image_size=2, channels=3, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 0, 1] = (255, 0, 51)
    images = to_input(pixels, transform, CPU)
    assert images.shape == (1, 3, 2, 2)
    assert images.dtype == torch.float32
    assert images[0, :, 0, 1].tolist() == pytest.approx([1.0, -1.0, 0.2])


def test_read_only_pixels_are_fine_and_stay_as_they_are() -> None:
    pixels = np.full((1, 2, 2, 1), 255, np.uint8)
    pixels.flags.writeable = False
    assert to_input(pixels, Transform(image_size=2, channels=1), CPU).tolist() == [[[[1, 1], [1, 1]]]]


@pytest.mark.gpu
def test_pixels_reach_the_gpu() -> None:
    pixels = np.full((2, 4, 4, 3), 255, np.uint8)
    images = to_input(pixels, Transform(image_size=4, channels=3), choose_device("cuda"))
    assert images.is_cuda
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert bool((images == 1).all())
