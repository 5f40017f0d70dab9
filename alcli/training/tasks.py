"""What is trained: the classifier, the triplet embedding, or both at once; on images or on saved features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from alcli.losses.triplet import triplet
from alcli.networks import Embedder, Model
from alcli.training import batches
from alcli.training.evaluation import accuracy, class_centres, nearest_centre, outputs_of
from alcli.training.inputs import Examples
from alcli.training.loop import Task

_CENTRED_ON = 64  # images per class whose mean is a class's centre while training; at the end all count
_JUDGED_AT_ONCE = 256


def classifier_task(
    model: Model, train: Examples, val: Examples, *, size: int, weights: Tensor | None
) -> Task:
    """Return the training of the classifier alone.

    Args:
        model: Its classifier is trained; only the head where the backbone is frozen.
        train: Learned from.
        val: Judged on; may be empty.
        size: Images per step.
        weights: (c,) of the classes in the loss.
    """
    network, forward = _classifier(model)

    def loss(inputs: Tensor, codes: Tensor) -> tuple[Tensor, Tensor | int]:
        logits = forward(inputs)
        return F.cross_entropy(logits.float(), codes, weight=weights), (logits.argmax(dim=1) == codes).sum()

    def judge() -> dict[str, float]:
        return _judge_logits(outputs_of(forward, val), val.codes) if len(val) else {}

    def orders(rng: np.random.Generator) -> list[batches.Positions]:
        return batches.shuffled(len(train), size, rng)

    return Task("classifier", network, train, orders, -(-len(train) // size), loss, judge)


def embedder_task(embedder: Embedder, train: Examples, val: Examples, *, classes: int) -> Task:
    """Return the training of the embedding network: balanced batches, semi-hard triplets.

    It is judged as it is used: by which class's centre an image is nearest to.
    """
    centred = _first_of_each_class(train.codes, _CENTRED_ON)

    def loss(inputs: Tensor, codes: Tensor) -> tuple[Tensor, Tensor | int]:
        return triplet(embedder(inputs), codes), 0

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


def joint_task(model: Model, train: Examples, val: Examples, *, size: int, weights: Tensor | None) -> Task:
    """Return the training of one backbone with both heads: the sum of both losses over the same batch.

    Every image comes with a companion of its class: there are positives however many classes there are.
    """

    def loss(inputs: Tensor, codes: Tensor) -> tuple[Tensor, Tensor | int]:
        outputs = model(inputs)
        right = (outputs.logits.argmax(dim=1) == codes).sum()
        classified = F.cross_entropy(outputs.logits.float(), codes, weight=weights)
        return classified + triplet(outputs.triplet_embeddings, codes), right

    def judge() -> dict[str, float]:
        return (
            _judge_logits(outputs_of(lambda inputs: model(inputs).logits, val), val.codes) if len(val) else {}
        )

    def orders(rng: np.random.Generator) -> list[batches.Positions]:
        return batches.with_companions(train.codes, size, rng)

    steps = -(-len(train) // max(1, size // 2))
    return Task("joint", model, train, orders, steps, loss, judge)


def balanced_weights(codes: NDArray[np.int64], classes: int) -> Tensor:
    """Return (c,) weights n / (c' · n_c) of the c' classes that have images, as scikit-learn's `balanced`."""
    counts = np.bincount(codes, minlength=classes)
    present = counts > 0
    weights = np.zeros(classes, np.float32)
    weights[present] = len(codes) / (present.sum() * counts[present])
    return torch.from_numpy(weights)


def _classifier(model: Model) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    """Return the part that is trained, and what it makes of a batch of inputs: logits."""
    classifier = model.classifier
    if model.frozen:
        return _trained_part(classifier), lambda features: classifier.classify(features)[0]
    return classifier, lambda images: classifier(images)[0]


def _trained_part(network: nn.Module) -> nn.Module:
    """Return the network without its backbone where that is frozen."""
    if all(parameter.requires_grad for parameter in network.parameters()):
        return network
    return nn.ModuleDict({name: part for name, part in network.named_children() if name != "backbone"})


def _judge_logits(logits: Tensor, codes: NDArray[np.int64]) -> dict[str, float]:
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
