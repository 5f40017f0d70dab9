"""What is trained: the classifier, the triplet embedding, or both at once; on images or on saved features."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from alcli.losses.triplet import triplet
from alcli.networks import Classifier, Embedder, Model
from alcli.training import batches
from alcli.training.criterion import Criterion, credit
from alcli.training.evaluation import accuracy, class_centres, nearest_centre, outputs_of
from alcli.training.inputs import Examples
from alcli.training.loop import Batch, Task
from alcli.training.mixing import mixed
from alcli.training.refining import Refiner

_CENTRED_ON = 64  # images per class whose mean is a class's centre while training; at the end all count
_JUDGED_AT_ONCE = 256


def classifier_task(
    model: Model,
    train: Examples,
    val: Examples,
    *,
    size: int,
    criterion: Criterion,
    mixup: float = 0.0,
    refiner: Refiner | None = None,
) -> Task:
    """Return the training of the classifier alone.

    Args:
        model: Its classifier is trained; only the head where the backbone is frozen.
        train: Learned from.
        val: Judged on; may be empty.
        size: Images per step.
        criterion: What is minimised.
        mixup: α by which images are mixed; 0 mixes none.
        refiner: Gives the targets of pseudo-labelled images; None leaves them.
    """
    network, forward = trained_classifier(model.classifier, frozen=model.frozen)

    def loss(batch: Batch) -> tuple[Tensor, Tensor]:
        inputs, targets = batch.inputs, batch.codes if refiner is None else refiner.targets(batch)
        if mixup:
            inputs, targets = mixed(inputs, criterion.as_shares(targets), mixup, batch.rng)
        logits = forward(inputs)
        value = criterion.mean(logits, targets, inputs=inputs, epoch=batch.epoch)
        if refiner is not None:
            value = value + refiner.pressure(logits, batch.epoch)
        return value, credit(logits, targets)

    def judge() -> dict[str, float]:
        return judge_classifier(forward, val)

    def orders(rng: np.random.Generator) -> list[batches.Positions]:
        return batches.shuffled(len(train), size, rng)

    task = Task("classifier", criterion.around(network), train, orders, -(-len(train) // size), loss, judge)
    if refiner is None:
        return task
    return dataclasses.replace(
        task, memory=refiner.history, after_epoch=lambda _: refiner.remember(forward, train)
    )


def embedder_task(embedder: Embedder, train: Examples, val: Examples, *, classes: int) -> Task:
    """Return the training of the embedding network: balanced batches, semi-hard triplets.

    It is judged as it is used: by which class's centre an image is nearest to.
    """
    centred = _first_of_each_class(train.codes, _CENTRED_ON)

    def loss(batch: Batch) -> tuple[Tensor, None]:
        return triplet(embedder(batch.inputs), batch.codes), None

    def judge() -> dict[str, float]:
        if not len(val):
            return {}
        centres = class_centres(outputs_of(embedder, train, centred).numpy(), train.codes[centred], classes)
        embedded = outputs_of(embedder, val)
        found = nearest_centre(embedded.numpy(), centres)
        return {"val_accuracy": accuracy(found, val.codes), "val_loss": _triplet_loss(embedded, val.codes)}

    def orders(rng: np.random.Generator) -> list[batches.Positions]:
        return batches.balanced(train.codes, rng)

    return Task(
        "embedder", _trained_part(embedder), train, orders, batches.balanced_steps(train.codes), loss, judge
    )


def joint_task(model: Model, train: Examples, val: Examples, *, size: int, criterion: Criterion) -> Task:
    """Return the training of one backbone with both heads: the sum of both losses over the same batch.

    Every image comes with a companion of its class: there are positives however many classes there are.
    """

    def loss(batch: Batch) -> tuple[Tensor, Tensor]:
        outputs = model(batch.inputs)
        classified = criterion.mean(outputs.logits, batch.codes, inputs=batch.inputs, epoch=batch.epoch)
        right = credit(outputs.logits, batch.codes)
        return classified + triplet(outputs.triplet_embeddings, batch.codes), right

    def judge() -> dict[str, float]:
        return judge_classifier(lambda inputs: model(inputs).logits, val)

    def orders(rng: np.random.Generator) -> list[batches.Positions]:
        return batches.with_companions(train.codes, size, rng)

    steps = -(-len(train) // max(1, size // 2))
    return Task("joint", criterion.around(model), train, orders, steps, loss, judge)


def balanced_weights(codes: NDArray[np.int64], classes: int) -> Tensor:
    """Return (c,) weights n / (c' · n_c) of the c' classes that have images, as scikit-learn's `balanced`."""
    counts = np.bincount(codes, minlength=classes)
    present = counts > 0
    weights = np.zeros(classes, np.float32)
    weights[present] = len(codes) / (present.sum() * counts[present])
    return torch.from_numpy(weights)


def trained_classifier(
    classifier: Classifier, *, frozen: bool
) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    """Return the part that is trained, and what it makes of a batch of inputs, features if frozen: logits."""
    if frozen:
        return _trained_part(classifier), lambda features: classifier.classify(features)[0]
    return classifier, lambda images: classifier(images)[0]


def _trained_part(network: nn.Module) -> nn.Module:
    """Return the network without its backbone where that is frozen."""
    if all(parameter.requires_grad for parameter in network.parameters()):
        return network
    return nn.ModuleDict({name: part for name, part in network.named_children() if name != "backbone"})


def judge_classifier(forward: Callable[[Tensor], Tensor], val: Examples) -> dict[str, float]:
    """Return how good a network in evaluation mode is that gives logits; nothing without images."""
    return judge_logits(outputs_of(forward, val), val.codes) if len(val) else {}


def judge_logits(logits: Tensor, codes: NDArray[np.int64]) -> dict[str, float]:
    """Return `val_accuracy`, in [0, 1], and `val_loss`, in nats, of (n, c) logits."""
    loss = F.cross_entropy(logits, torch.from_numpy(codes))
    return {"val_accuracy": accuracy(logits.argmax(dim=1).numpy(), codes), "val_loss": float(loss)}


def _triplet_loss(embeddings: Tensor, codes: NDArray[np.int64]) -> float:
    """Return the mean triplet loss over chunks of images, in an order in which classes are mixed."""
    order = np.random.default_rng(0).permutation(len(codes))
    losses = [
        float(triplet(embeddings[order[chunk]], torch.from_numpy(codes[order[chunk]]))) * len(chunk)
        for chunk in batches.in_order(len(codes), _JUDGED_AT_ONCE)
    ]
    return sum(losses) / len(codes)


def _first_of_each_class(codes: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the positions of at most `most` images of each class, ascending."""
    return np.sort(np.concatenate([np.flatnonzero(codes == code)[:most] for code in np.unique(codes)]))
