"""Co-teaching (Han et al., 2018, arXiv 1804.06872, algorithm 1): each of two networks picks what the other learns.

A network learns clean labels before it learns wrong ones by heart, so the images of a batch on which its loss is
small are likely to be labelled right. Picked by itself, its own errors would pile up; picked by a network of
other first weights they do not.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn

from alcli.networks import Classifier, Model
from alcli.parameters import Range
from alcli.training import batches, tasks
from alcli.training.criterion import Criterion, credit
from alcli.training.inputs import Examples
from alcli.training.loop import Batch, Task

_ROUNDING = 1e-9


def kept_share(epoch: int, noise_rate: float, *, ramp: Annotated[int, Range(1, 10_000)] = 10) -> float:
    """Return which share of a batch is learned from: R(T) = 1 - τ · min(T / T_k, 1).

    This is the paper's; the published code reaches τ one epoch earlier.

    Args:
        epoch: From 1; T is the number of epochs before it.
        noise_rate: τ, in [0, 1).
        ramp: T_k, epochs until the share is 1 - τ.
    """
    return 1 - noise_rate * min((epoch - 1) / ramp, 1)


def surest(losses: Tensor, share: float) -> Tensor:
    """Return the positions of the smallest of (b,) losses, at least one; of equal ones the first."""
    count = max(1, int(share * len(losses) + _ROUNDING))
    return torch.argsort(losses.detach(), stable=True)[:count]


def co_teaching_task(
    model: Model,
    peer: Classifier,
    train: Examples,
    val: Examples,
    *,
    size: int,
    criterion: Criterion,
    noise_rate: float,
    ramp: int,
) -> Task:
    """Return the training of a classifier and of its peer, which is thrown away in the end.

    Their losses are added up; since they share no weight, each is trained as if alone. The mean is over what was
    picked, once: the published code divides by that number twice.

    Args:
        model: Its classifier is trained, and judged.
        peer: A classifier of other first weights, on the same device.
        train: Learned from.
        val: Judged on; may be empty.
        size: Images per step.
        criterion: What is minimised; what is picked by weighs all classes alike.
        noise_rate: τ, in [0, 1).
        ramp: T_k of `kept_share`.
    """
    parts = [
        tasks.trained_classifier(classifier, frozen=model.frozen) for classifier in (model.classifier, peer)
    ]
    (own, first), (others, second) = parts

    def loss(batch: Batch) -> tuple[Tensor, Tensor]:
        share = kept_share(batch.epoch, noise_rate, ramp=ramp)
        answers = [forward(batch.inputs) for forward in (first, second)]
        picked = [
            surest(criterion.each(logits, batch.codes, inputs=batch.inputs, epoch=batch.epoch), share)
            for logits in answers
        ]
        return _exchanged(answers, picked, batch, criterion), credit(answers[0], batch.codes)

    def judge() -> dict[str, float]:
        return tasks.judge_classifier(first, val)

    def orders(rng: np.random.Generator) -> list[batches.Positions]:
        return batches.shuffled(len(train), size, rng)

    network = criterion.around(nn.ModuleDict({"classifier": own, "peer": others}))
    return Task("classifier", network, train, orders, -(-len(train) // size), loss, judge)


def _exchanged(answers: list[Tensor], picked: list[Tensor], batch: Batch, criterion: Criterion) -> Tensor:
    """Return the sum of both networks' losses, each over what the other one picked."""
    losses = [
        criterion.mean(logits[rows], batch.codes[rows], inputs=batch.inputs[rows], epoch=batch.epoch)
        for logits, rows in zip(answers, reversed(picked), strict=True)
    ]
    return losses[0] + losses[1]
