"""Where networks run, and how pixels get there."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alcli.errors import UsageError
from alcli.images.transform import Transform


def choose_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is the first that is there of cuda, mps and cpu.

    Raises:
        UsageError: The name is unknown, or this machine has no such device.
    """
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if _count(kind)))
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdecimal()):
        raise UsageError(f"unknown device '{name}'", hint="one of: auto, cpu, cuda, cuda:1, mps")
    count = _count(kind)
    if int(number or 0) >= count:
        raise UsageError(f"device {name} is not there: {count} {kind} devices found", hint="--device auto")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """Return `bf16` or `fp32`; `auto` is bf16 on CUDA devices that compute in it.

    Raises:
        UsageError: The name is unknown.
    """
    if name not in ("auto", "fp32", "bf16"):
        raise UsageError(f"unknown precision '{name}'", hint="one of: auto, fp32, bf16")
    if name == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    return name


def images_at_once(image_size: int, device: torch.device) -> int:
    """Return how many images to run through a network together when nothing is learned.

    On a CPU that is what its caches hold: with 64 images of 64 px, a small network takes 0.6 of the time that it takes
    for each of 512, and large ones do not mind. A GPU wants to be kept busy.
    """
    if device.type == "cpu":
        return 256 if image_size <= 32 else 64
    return 512 if image_size <= 64 else 64


def to_input(pixels: NDArray[np.uint8], transform: Transform, device: torch.device) -> Tensor:
    """Bring pixels to the device and normalise them there.

    Args:
        pixels: (b, H, W, C).
        transform: Holds mean and standard deviation of each channel.
        device: Where to.

    Returns:
        (b, C, H, W) float32; in memory the channels stay last, which convolutions like.
    """
    batch = torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())
    if device.type == "cuda":
        batch = batch.pin_memory()
    images = batch.to(device, non_blocking=True).permute(0, 3, 1, 2).float()  # (b, C, H, W)
    mean = torch.tensor(transform.mean, device=device).view(1, -1, 1, 1)
    std = torch.tensor(transform.std, device=device).view(1, -1, 1, 1)
    return images.sub_(mean * 255).div_(std * 255)


def _count(kind: str) -> int:
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return 1 if kind == "cpu" else int(torch.backends.mps.is_available())
