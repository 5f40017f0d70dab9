"""What a network predicted of some images at the end of each of the last epochs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_WHOLE = 16  # classes up to which every probability is kept
_LARGEST = 8  # else so many, and the rest is taken to be even


class History(nn.Module):
    """The last q softmax vectors of n images, in half precision; a module, so that a checkpoint can hold it.

    Of more than 16 classes the eight largest probabilities are kept; what remains to 1 is spread evenly over
    the other classes when they are read.

    Args:
        images: n.
        classes: c.
        length: q.
    """

    values: Tensor
    places: Tensor
    count: Tensor

    def __init__(self, images: int, classes: int, length: int) -> None:
        super().__init__()
        width = classes if classes <= _WHOLE else _LARGEST
        number = torch.int16 if classes <= torch.iinfo(torch.int16).max else torch.int32
        self.classes = classes
        self.register_buffer("values", torch.zeros(images, length, width, dtype=torch.float16))
        self.register_buffer("places", torch.zeros(images, length, width, dtype=number))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        """How many epochs can be looked back on."""
        return min(int(self.count), self.values.shape[1])

    def add(self, blocks: Iterable[Tensor]) -> None:
        """Remember probabilities as the newest, in place of the oldest where there is no room.

        Args:
            blocks: (b, c) each, n rows in all; one is held at a time.
        """
        slot, start = int(self.count) % self.values.shape[1], 0
        for block in blocks:
            rows = slice(start, start + len(block))
            order = torch.argsort(block, dim=1, descending=True, stable=True)[:, : self.values.shape[2]]
            self.places[rows, slot] = order.to(self.places.dtype)
            self.values[rows, slot] = block.gather(1, order).to(torch.float16)
            start = rows.stop
        self.count += 1

    def mean(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the (r, c) mean of what is remembered of some images, float32."""
        return sum((self._slot(rows, slot) for slot in range(len(self))), torch.zeros(())) / len(self)

    def last(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the (r, c) newest probabilities of some images, float32."""
        return self._slot(rows, (int(self.count) - 1) % self.values.shape[1])

    def votes(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the (r, c) shares of epochs in which each class was the likeliest."""
        first = self.places[torch.from_numpy(rows), : len(self), 0].long()  # (r, epochs)
        ones = torch.ones(first.shape)
        return torch.zeros(len(rows), self.classes).scatter_add_(1, first, ones) / len(self)

    def _slot(self, rows: NDArray[np.int64], slot: int) -> Tensor:
        """Return the (r, c) probabilities of one epoch; rows sum to 1."""
        chosen = torch.from_numpy(rows)
        values = self.values[chosen, slot].float()
        rest = (1 - values.sum(dim=1, keepdim=True)).clamp_min(0)
        others = self.classes - values.shape[1]
        base = (rest / others if others else torch.zeros_like(rest)).expand(-1, self.classes)
        whole = base.scatter(1, self.places[chosen, slot].long(), values)
        return whole / whole.sum(dim=1, keepdim=True)
