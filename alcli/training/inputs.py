"""What networks are fed: pixels held in memory, pixels decoded anew in every epoch, or saved features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alcli import networks
from alcli.errors import InputRejected
from alcli.images.album import Album
from alcli.images.pipeline import Batch, DecodePool
from alcli.images.transform import Transform
from alcli.progress import Progress
from alcli.training.augmentation import Augment
from alcli.training.batches import Positions

MEMORY_BYTES = 2 << 30  # of uint8 pixels; 14,000 images of 224 px, or all of MNIST forty times
DECODED_AT_ONCE = 256


class Inputs(Protocol):
    """Hands out the inputs of a network by position, batch by batch."""

    @property
    def width(self) -> int:
        """How many numbers one input has."""

    def batches(
        self,
        orders: Iterable[Positions],
        *,
        augment: Augment | None = None,
        rng: np.random.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Yield one batch per entry of `orders`, augmented with draws from `rng` if asked for."""


@dataclass(frozen=True)
class Examples:
    """Inputs and what they should be classified as.

    Attributes:
        inputs: n of them.
        codes: (n,) class codes.
    """

    inputs: Inputs
    codes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class HeldPixels:
    """Pixels in memory: (n, H, W, C)."""

    pixels: NDArray[np.uint8]
    transform: Transform
    device: torch.device

    @property
    def width(self) -> int:
        """How many numbers one image has."""
        return _pixels_of(self.transform)

    def batches(
        self,
        orders: Iterable[Positions],
        *,
        augment: Augment | None = None,
        rng: np.random.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Yield (b, C, H, W) images, normalised."""
        for order in orders:
            yield _ready(self.pixels[order], self.transform, self.device, augment, rng)


@dataclass(frozen=True)
class StreamedPixels:
    """Images that are too many for memory; every pass decodes them again, ahead of the network."""

    paths: Sequence[str]
    pool: DecodePool | Album
    transform: Transform
    device: torch.device

    @property
    def width(self) -> int:
        """How many numbers one image has."""
        return _pixels_of(self.transform)

    def batches(
        self,
        orders: Iterable[Positions],
        *,
        augment: Augment | None = None,
        rng: np.random.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Yield (b, C, H, W) images, normalised.

        Raises:
            InputRejected: A file that could be read when training began cannot be read any more.
        """
        orders = list(orders)
        waiting: list[NDArray[np.uint8]] = []
        wanted = iter(orders)
        size = len(next(wanted, ()))
        paths = [self.paths[position] for order in orders for position in order]
        for batch in self.pool.stream(paths, batch_size=DECODED_AT_ONCE):
            _refuse_vanished(batch, paths)
            waiting.append(batch.pixels)
            while size and sum(map(len, waiting)) >= size:
                joined = np.concatenate(waiting)
                yield _ready(joined[:size], self.transform, self.device, augment, rng)
                waiting, size = [joined[size:]], len(next(wanted, ()))


@dataclass(frozen=True)
class Features:
    """Features of a frozen backbone: (n, d), on the device."""

    values: Tensor

    @property
    def width(self) -> int:
        """How many features there are."""
        return int(self.values.shape[1])

    def batches(
        self,
        orders: Iterable[Positions],
        *,
        augment: Augment | None = None,
        rng: np.random.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Yield (b, d) features; there is nothing left to augment."""
        del augment, rng
        for order in orders:
            yield self.values[torch.from_numpy(order).to(self.values.device)]


@dataclass
class Reader:
    """Reads images once, keeps their pixels while they fit in memory, and notes those that cannot be read.

    Attributes:
        pool: Decodes.
        transform: As the pool's.
        device: Where batches go.
        unreadable: What is known of unreadable images, by path.
        budget: Bytes of pixels that may still be held.
    """

    pool: DecodePool | Album
    transform: Transform
    device: torch.device
    unreadable: dict[str, dict[str, Any]] = field(default_factory=dict)
    budget: int = field(default_factory=lambda: MEMORY_BYTES)

    def read(self, paths: Sequence[str], progress: Progress, stage: str) -> tuple[Inputs, NDArray[np.bool_]]:
        """Return the readable ones of `paths` as inputs, and (n,) which those are."""
        side, channels = self.transform.image_size, self.transform.channels
        held = len(paths) * side * side * channels <= self.budget
        pixels = np.empty((len(paths) if held else 0, side, side, channels), np.uint8)
        good = np.ones(len(paths), np.bool_)
        with progress(stage, len(paths)) as advance:
            for batch in self.pool.stream(paths, batch_size=DECODED_AT_ONCE):
                mine = slice(batch.start, batch.start + len(batch.problems))
                good[mine] = [problem is None for problem in batch.problems]
                self._note(batch, paths)
                if held:
                    pixels[mine] = batch.pixels
                advance(len(batch.problems))
        if held:
            self.budget -= pixels.nbytes
            return HeldPixels(pixels if good.all() else pixels[good], self.transform, self.device), good
        kept = [path for path, fine in zip(paths, good, strict=True) if fine]
        return StreamedPixels(kept, self.pool, self.transform, self.device), good

    def _note(self, batch: Batch, paths: Sequence[str]) -> None:
        for at, problem in enumerate(batch.problems):
            if problem is not None:
                self.unreadable[paths[batch.start + at]] = {
                    "problem": problem,
                    "sha256": batch.sha256[at],
                    "size": int(batch.sizes[at]),
                    "mtime_ns": int(batch.mtimes_ns[at]),
                }


def _pixels_of(transform: Transform) -> int:
    return transform.image_size * transform.image_size * transform.channels


def _ready(
    pixels: NDArray[np.uint8],
    transform: Transform,
    device: torch.device,
    augment: Augment | None,
    rng: np.random.Generator | None,
) -> Tensor:
    if augment is not None and rng is not None:
        pixels = augment(pixels, rng)
    return networks.to_input(pixels, transform, device)


def _refuse_vanished(batch: Batch, paths: Sequence[str]) -> None:
    for at, problem in enumerate(batch.problems):
        if problem is not None:
            raise InputRejected(
                f"{paths[batch.start + at]} could be read before, and now it cannot: {problem}",
                hint="alcli init notes what changed; then run this again with --resume",
            )
