"""`--objective vaal`: beside the classifier, an autoencoder and a discriminator of its codes.

Sinha, Ebrahimi & Darrell, 2019, arXiv:1904.00370, as in their code (sinhasam/vaal at 67263f3). The
autoencoder gives back labelled and unlabelled images and makes their codes alike; the discriminator tells them
apart by the mean of the code, where 1 is "labelled" by a person: what only a model labelled can still be asked
about, and is unlabelled here. The classifier is trained as without them. Steps shrink along half a cosine, as in
every training here; in the paper they are constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alcli.errors import InputRejected
from alcli.networks import Model
from alcli.networks.variational import VariationalAutoencoder
from alcli.parameters import Range
from alcli.training.batches import Positions
from alcli.training.inputs import Examples
from alcli.training.job import Job
from alcli.training.loop import Batch, Task
from alcli.training.objectives.classifier import classifier
from alcli.training.splits import WHOLE_POOL, Split

_ROUND = 3  # steps: two of the autoencoder, one of the discriminator
_FEWEST = 2  # images of a kind: batches are normalised


def vaal(
    job: Job,
    model: Model,
    examples: dict[str, Examples],
    *,
    z: Annotated[int, Range(1, 4096)] = 32,
    vae_width: Annotated[int, Range(1, 1024)] = 32,
    vae_epochs: Annotated[int, Range(1, 100_000)] = 100,
    vae_batch: Annotated[int, Range(2, 100_000)] = 128,
    vae_lr: Annotated[float, Range(1e-9, 1)] = 5e-4,
    vae_mse: Literal["mean", "sum"] = "mean",
    beta: Annotated[float, Range(0, 1e9)] = 1.0,
    lambda_: Annotated[float, Range(0, 1e9)] = 1.0,
) -> Iterator[Task]:
    """Yield the trainings of the ordinary classifier, then that of autoencoder and discriminator.

    Args:
        job: What to train, on what, where.
        model: Of this objective.
        examples: By split; `pool` are all images of the train split.
        z: Size of the code.
        vae_width: Channels of the first convolution, which the next three double; published: 128.
        vae_epochs: Passes over all images.
        vae_batch: Labelled, and as many unlabelled images of a step.
        vae_lr: Adam's first step size for both networks.
        vae_mse: `mean` over pixels as published, beside a divergence that is a sum and so outweighs it; or `sum`.
        beta: Weight of the divergence from a standard normal code.
        lambda_: Weight of deceiving the discriminator.

    Raises:
        InputRejected: People labelled too few images, or all, so that there is nothing to tell apart.
    """
    del z, vae_width  # the networks have them
    pool = _by_people(examples[WHOLE_POOL], job.splits[WHOLE_POOL])
    game = _Game(model, pool, vae_batch, {"beta": beta, "lambda": lambda_}, vae_mse)
    yield from classifier(job, model, examples)
    yield game.task(epochs=vae_epochs, lr=vae_lr)


def _by_people(pool: Examples, split: Split) -> Examples:
    """Return the images with the labels that people gave, -1 elsewhere."""
    return Examples(pool.inputs, np.where(split.given_by_model, -1, pool.codes))


class _Game:
    """Autoencoder against discriminator, in turns.

    Both are parameters of one Adam, which leaves alone what has no gradient in a step.
    """

    def __init__(
        self, model: Model, pool: Examples, size: int, weights: dict[str, float], reduction: str
    ) -> None:
        self.autoencoder = cast(VariationalAutoencoder, model.companions["autoencoder"])
        self.discriminator = model.companions["discriminator"]
        self.pool = pool
        self.labelled, self.unlabelled = np.flatnonzero(pool.codes >= 0), np.flatnonzero(pool.codes < 0)
        if min(len(self.labelled), len(self.unlabelled)) < _FEWEST:
            raise InputRejected(
                f"people labelled {len(self.labelled)} readable images of the train split, and "
                f"{len(self.unlabelled)} have no label: to tell them apart takes {_FEWEST} of each",
                hint="--objective classifier",
            )
        self.size = size
        self.weights = weights
        self.reduction = reduction
        self.turn = 0

    def task(self, *, epochs: int, lr: float) -> Task:
        """Return it as the loop takes it."""
        network = nn.ModuleDict({"autoencoder": self.autoencoder, "discriminator": self.discriminator})
        steps = _ROUND * self._rounds
        return Task("vaal", network, self.pool, self._orders, steps, self._loss, dict, epochs=epochs, lr=lr)

    @property
    def _rounds(self) -> int:
        return -(-len(self.pool) // self.size)

    def _orders(self, rng: np.random.Generator) -> list[Positions]:
        """Draw two batches a round, each half labelled; the discriminator sees the second one again."""
        self.turn = 0
        batches = [
            np.concatenate(halves)
            for halves in zip(
                _endless(self.labelled, 2 * self._rounds, self.size, rng),
                _endless(self.unlabelled, 2 * self._rounds, self.size, rng),
                strict=True,
            )
        ]
        return [batches[at] for pair in range(self._rounds) for at in (2 * pair, 2 * pair + 1, 2 * pair + 1)]

    def _loss(self, batch: Batch) -> tuple[Tensor, None]:
        parts = batch.inputs[batch.codes >= 0], batch.inputs[batch.codes < 0]
        judges = self.turn % _ROUND == _ROUND - 1
        self.turn += 1
        self.discriminator.requires_grad_(judges)
        if judges:
            with torch.no_grad():
                codes = [self.autoencoder.encode(part)[0] for part in parts]
            return self._believed(codes[0], 1.0) + self._believed(codes[1], 0.0), None
        return self._given_back(parts[0]) + self._given_back(parts[1]), None

    def _given_back(self, images: Tensor) -> Tensor:
        """Return the autoencoder's loss of images of one kind; both kinds shall pass for labelled."""
        made = self.autoencoder(images)
        mean, log_variance = made.mean.float(), made.log_variance.float()
        total: Tensor = F.mse_loss(made.images.float(), images, reduction=self.reduction)
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
        total = total + self.weights["beta"] * divergence
        return total + self.weights["lambda"] * self._believed(mean, 1.0)

    def _believed(self, codes: Tensor, labelled: float) -> Tensor:
        odds: Tensor = self.discriminator(codes).float()
        return F.binary_cross_entropy_with_logits(odds, torch.full_like(odds, labelled))


def _endless(positions: Positions, count: int, size: int, rng: np.random.Generator) -> list[Positions]:
    """Return `count` batches of positions shuffled again and again, of `size` or of all if they are fewer."""
    size = min(size, len(positions))
    passes = -(-count * size // len(positions))
    drawn = np.concatenate([rng.permutation(positions) for _ in range(passes)])
    return [drawn[start : start + size] for start in range(0, count * size, size)]
