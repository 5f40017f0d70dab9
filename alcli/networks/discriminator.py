"""The discriminator of discriminative active learning: a small perceptron that tells labelled from unlabelled.

Same points, same seed, same bits, whatever the number of threads: first weights and shuffles come from a
generator of their own, and the arithmetic runs on one thread, because a matrix product on several adds in
an order that depends on their number. Gradients are written out, since for batches of 32 autograd's own
bookkeeping would take longer than the arithmetic.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

VISITS, FEWEST = 1_000_000, 10  # rows that epochs pass over in all, and the epochs that there are anyway
LARGE, LARGE_BATCH = 100_000, 1_024  # training rows above which no batch is smaller
_NARROW = 30  # dimensions below which the hidden layers have 20 units instead of 256
_PREDICTED = 8_192  # rows of one forward pass
_SURE = 700.0  # log-odds whose exponential float64 still holds
_DECIMALS = 4  # of log-odds: beyond these, float32 depends on where in a block a row lies


@dataclass(frozen=True)
class Recipe:
    """How a discriminator is trained.

    Attributes:
        rate: Adam's step size.
        batch: Rows per step.
        epochs: At most so many passes over the rows.
        stop: Training ends with the first epoch whose running accuracy is above this.
        balanced: Weigh both classes alike, in the loss and in the accuracy; else every row alike.
    """

    rate: float
    batch: int
    epochs: int
    stop: float = 0.98
    balanced: bool = False

    def for_rows(self, rows: int) -> Recipe:
        """Return the recipe that ends in bearable time on so many training rows: fewer epochs, larger batches."""
        epochs = min(self.epochs, max(FEWEST, VISITS // rows))
        batch = max(self.batch, LARGE_BATCH) if rows > LARGE else self.batch
        return dataclasses.replace(self, epochs=epochs, batch=batch)


class Verdict(NamedTuple):
    """What a trained discriminator says.

    Attributes:
        unlabelled: (u,) P(unlabelled) of the unlabelled rows, from log-odds of four decimals.
        epochs: Passes over the rows that were made.
        accuracy: Running training accuracy of the last one.
    """

    unlabelled: Floats
    epochs: int
    accuracy: float


def recipe(width: int) -> Recipe:
    """Return the published recipe for points of `width` dimensions (code of Gissin & Shalev-Shwartz, 2019)."""
    published = {
        32: Recipe(3e-4, 1_024, 500),
        128: Recipe(1e-4, 128, 1_000),
        512: Recipe(2e-4, 1_024, 500),
    }
    return published.get(width, Recipe(1e-3, 32, 1_000))


def discriminate(points: Singles, labelled: int, how: Recipe, *, seed: int, device: str = "cpu") -> Verdict:
    """Train a perceptron d-256-256-256-2 to tell the first `labelled` rows from the others.

    Args:
        points: (n, d) float32; not modified.
        labelled: How many rows are labelled, between 1 and n - 1.
        how: The recipe.
        seed: Of the first weights and the shuffles.
        device: `cpu` or `cuda`.

    Returns:
        What it says of the others. Where all points are equal there is nothing to learn: every one gets the
        share that the classes' weights say.
    """
    unlabelled = len(points) - labelled
    if (points == points[0]).all():
        share = 0.5 if how.balanced else unlabelled / len(points)
        return Verdict(np.full(unlabelled, share), 0, max(share, 1 - share))
    with _one_thread(), torch.inference_mode():
        generator = torch.Generator().manual_seed(seed)
        rows = torch.from_numpy(points).to(device)
        network = Perceptron(points.shape[1], generator, device)
        epochs, accuracy = _train(network, rows, labelled, how, generator)
        odds = torch.cat([network.log_odds(block)[0] for block in torch.split(rows[labelled:], _PREDICTED)])
    settled = np.round(odds.double().cpu().numpy(), _DECIMALS).clip(-_SURE, _SURE)
    return Verdict(1 / (1 + np.exp(-settled)), epochs, accuracy)


class Perceptron:
    """Three hidden layers of rectified units and two outputs; class 1 is "unlabelled".

    All parameters are one vector and so are their gradients, so that Adam takes one step for all.

    Args:
        width: Dimensions d of a point.
        generator: Draws the first weights, uniformly within ±√(6 / (in + out)) (Glorot & Bengio, 2010).
        device: Where the parameters lie.
    """

    def __init__(self, width: int, generator: torch.Generator, device: str) -> None:
        hidden = 20 if width < _NARROW else 256
        sizes = (width, hidden, hidden, hidden, 2)
        self.shapes = list(zip(sizes[1:], sizes[:-1], strict=True))  # (out, in), as in torch
        count = sum(out * (into + 1) for out, into in self.shapes)
        self.parameters = torch.zeros(count, device=device)
        self.gradients = torch.zeros(count, device=device)
        self.layers, self.slopes = self._views(self.parameters), self._views(self.gradients)
        for weights, _ in self.layers:
            limit = (6 / sum(weights.shape)) ** 0.5
            weights.copy_((torch.rand(weights.shape, generator=generator) * 2 - 1) * limit)

    def log_odds(self, points: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return ln(P(unlabelled) / P(labelled)) of (b, d) points, and the input of each layer."""
        inputs = [points]
        for weights, bias in self.layers[:-1]:
            inputs.append(torch.addmm(bias, inputs[-1], weights.T).relu_())
        weights, bias = self.layers[-1]
        outputs = torch.addmm(bias, inputs[-1], weights.T)  # (b, 2)
        return outputs[:, 1] - outputs[:, 0], inputs

    def descend(self, points: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Fill `gradients` with those of the cross-entropy, weighted and averaged over a batch.

        Args:
            points: (b, d).
            targets: (b,) 1 for unlabelled, 0 for labelled.
            weights: (b,) what each point's loss counts.

        Returns:
            (b,) the log-odds that the points had.
        """
        odds, inputs = self.log_odds(points)
        error = (odds.sigmoid() - targets) * weights / len(points)
        delta = torch.stack((-error, error), dim=1)  # (b, 2), ∂loss / ∂outputs
        for layer in reversed(range(len(self.layers))):
            slope, bias_slope = self.slopes[layer]
            torch.mm(delta.T, inputs[layer], out=slope)
            torch.sum(delta, dim=0, out=bias_slope)
            if layer:
                delta = torch.mm(delta, self.layers[layer][0]).mul_(inputs[layer] > 0)
        return odds

    def _views(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return (weights, bias) of each layer as views into one vector."""
        views, start = [], 0
        for out, into in self.shapes:
            middle, end = start + out * into, start + out * (into + 1)
            views.append((flat[start:middle].view(out, into), flat[middle:end]))
            start = end
        return views


class _Adam:
    """Adam (Kingma & Ba, 2015, algorithm 1) of one vector, with the ε of the published code's framework."""

    def __init__(self, network: Perceptron, rate: float) -> None:
        self.network, self.rate, self.steps = network, rate, 0
        self.mean, self.square = torch.zeros_like(network.parameters), torch.zeros_like(network.parameters)

    def step(self) -> None:
        """Move the parameters against their gradients."""
        self.steps += 1
        slopes = self.network.gradients
        self.mean.lerp_(slopes, 0.1)
        self.square.mul_(0.999).addcmul_(slopes, slopes, value=0.001)
        unbiased = 1 / math.sqrt(1 - 0.999**self.steps)
        scale = self.square.sqrt().mul_(unbiased).add_(1e-7)
        self.network.parameters.addcdiv_(self.mean, scale, value=-self.rate / (1 - 0.9**self.steps))


def _train(
    network: Perceptron, points: Tensor, labelled: int, how: Recipe, generator: torch.Generator
) -> tuple[int, float]:
    """Train until the running accuracy suffices or the epochs end; return how many there were, and the last."""
    n = len(points)
    targets = (torch.arange(n, device=points.device) >= labelled).float()
    shares = torch.tensor([n / (2 * labelled), n / (2 * (n - labelled))] if how.balanced else [1.0, 1.0])
    weights = shares.to(points.device)[targets.long()]
    adam = _Adam(network, how.rate)
    said = torch.empty(n, device=points.device)
    accuracy = 0.0
    for epoch in range(1, how.epochs + 1):
        for batch in torch.split(torch.randperm(n, generator=generator).to(points.device), how.batch):
            said[batch] = network.descend(points[batch], targets[batch], weights[batch])
            adam.step()
        right = ((said > 0) == (targets > 0)).float()
        accuracy = float((right * weights).double().mean())
        if accuracy > how.stop:
            return epoch, accuracy
    return how.epochs, accuracy


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
