"""What `train` may be asked for, and what is decided where nothing was asked."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alcli import files, models, networks
from alcli.errors import InputRejected, UsageError
from alcli.images.look import Look, look
from alcli.images.transform import Transform
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.networks import Blueprint
from alcli.project import Project
from alcli.training.augmentation import augmentation
from alcli.training.splits import Split, labelled_splits, labels_digest

SMALL_PX = 64
CLASS_WEIGHTS = ("none", "balanced")
_LOOKED_AT = 64
_BATCH = 32
_FEATURE_BATCHES = (32, 1024)
_LEAST_EPOCHS, _MOST_EPOCHS = 30, 200
# A balanced batch of the embedder holds two to three times the images of a classifier's.
_WANTED_STEPS = {"classifier": 1500, "joint": 1500, "embedder": 600}
_WANTED_STEPS_TIMM = 300


@dataclass(frozen=True)
class Options:
    """What was asked for; None leaves the choice to the data.

    Attributes:
        model: `lenet`, `lenet5` or a model of timm.
        weights: A file of weights for the backbone.
        pretrained: Fetch timm's weights.
        image_size: px.
        channels: 1 or 3.
        epochs: At most.
        batch_size: Images per step of the classifier.
        lr: Adam's first step size.
        patience: Epochs without a better one before training stops, after a third of all; 0 never does.
        freeze_backbone: Train linear heads on the features of a fixed backbone.
        warm_start: Begin with the weights of the newest model that learned from other labels.
        embedding: `triplet`, `none` or `joint`.
        embedding_dim: Size of triplet embeddings.
        dropout: Rate before the classifier.
        precision: `auto`, `fp32` or `bf16`.
        use_pseudo_labels: Train on pseudo-labels too.
        class_weights: `none` or `balanced`.
        augment: `none`, `standard` or a policy of timm.
        seed: Drives every random choice.
    """

    model: str | None = None
    weights: Path | None = None
    pretrained: bool = False
    image_size: int | None = None
    channels: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float = 1e-3
    patience: int = 0
    freeze_backbone: bool = False
    warm_start: bool = False
    embedding: str = "triplet"
    embedding_dim: int = 128
    dropout: float | None = None
    precision: str = "auto"
    use_pseudo_labels: bool = False
    class_weights: str = "none"
    augment: str = "none"
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """Options with everything decided but what depends on how many images can be read.

    Attributes:
        options: As asked for.
        blueprint: The networks.
        transform: How images become inputs.
        precision: `fp32` or `bf16`.
        weights_digest: Of the file of weights; empty without one.
        start: The model to go on from; None begins anew.
    """

    options: Options
    blueprint: Blueprint
    transform: Transform
    precision: str
    weights_digest: str
    start: ModelRecord | None = None

    def record(self) -> dict[str, Any]:
        """Return what `model.json` says of the options."""
        options = dataclasses.asdict(self.options)
        return {
            **options,
            "model": self.blueprint.architecture,
            "weights": None if self.options.weights is None else str(self.options.weights),
            "weights_digest": self.weights_digest,
            "start": self.start and self.start.about["identity"],
            "image_size": self.transform.image_size,
            "channels": self.transform.channels,
            "dropout": self.blueprint.dropout,
            "precision": self.precision,
        }

    def identity(self, content: str) -> str:
        """Return the digest of what a trained model depends on: these decisions and the labelled images."""
        return files.digest(
            json.dumps({**self.record(), "weights": None}, sort_keys=True), self.transform.digest, content
        )

    def batch_size(self, images: int) -> int:
        """Return how many images make a step; features are so small that batches grow with their number."""
        if self.options.batch_size is not None:
            return self.options.batch_size
        if not self.options.freeze_backbone:
            return _BATCH
        low, high = _FEATURE_BATCHES
        return min(high, max(low, images // 16))

    def epochs(self, task: str, steps: int) -> int:
        """Return how many epochs of `steps` steps to train; small sets take more, to take enough steps."""
        if self.options.epochs is not None:
            return self.options.epochs
        wanted = (
            _WANTED_STEPS[task] if networks.is_built_in(self.blueprint.architecture) else _WANTED_STEPS_TIMM
        )
        return min(_MOST_EPOCHS, max(_LEAST_EPOCHS, math.ceil(wanted / steps)))


def decide(
    options: Options, project: Project, manifest: Manifest, train: Split, device: torch.device
) -> Recipe:
    """Fill in what was left open, after a look at a few labelled images.

    Raises:
        UsageError: A value is unknown or out of range.
        InputRejected: There is no file of weights.
    """
    _check(options)
    seen = _look_at_some(project, manifest, train)
    architecture = options.model or ("lenet" if seen.longest_side <= SMALL_PX else "resnet18")
    networks.check_architecture(architecture)
    transform = networks.default_transform(
        architecture, image_size=_image_size(options, architecture, seen), channels=_channels(options, seen)
    )
    blueprint = Blueprint(
        architecture=architecture,
        classes=len(manifest.classes),
        channels=transform.channels,
        image_size=transform.image_size,
        embedding=options.embedding,
        embedding_dim=options.embedding_dim,
        dropout=networks.default_dropout(architecture) if options.dropout is None else options.dropout,
        frozen=options.freeze_backbone,
    )
    if options.weights is not None and not options.weights.is_file():
        raise InputRejected(f"there is no file of weights at {options.weights}")
    digest = "" if options.weights is None else files.file_digest(options.weights)
    precision = networks.choose_precision(options.precision, device)
    start = _start(project, manifest, train) if options.warm_start else None
    return Recipe(options, blueprint, transform, precision, digest, start)


def settle(options: Options, project: Project, manifest: Manifest) -> tuple[Options, Blueprint, Transform]:
    """Decide what depends on the images alone, once, so that many trainings on them share it.

    Args:
        options: As asked for.
        project: The pool.
        manifest: With all labels that any of the trainings may see.

    Returns:
        The options with model, image size and channels filled in; the networks; how images become inputs.

    Raises:
        UsageError: A value is unknown or out of range.
        InputRejected: There is no file of weights.
    """
    labelled = labelled_splits(manifest, use_pseudo_labels=False)["train"]
    recipe = decide(options, project, manifest, labelled, networks.choose_device("cpu"))
    settled = dataclasses.replace(
        options,
        model=recipe.blueprint.architecture,
        image_size=recipe.transform.image_size,
        channels=recipe.transform.channels,
    )
    return settled, recipe.blueprint, recipe.transform


def _check(options: Options) -> None:
    known = {"embedding": networks.EMBEDDINGS, "class_weights": CLASS_WEIGHTS}
    for name, values in known.items():
        if getattr(options, name) not in values:
            flag = name.replace("_", "-")
            raise UsageError(
                f"unknown --{flag} '{getattr(options, name)}'", hint=f"one of: {', '.join(values)}"
            )
    if options.channels not in (None, 1, 3):
        raise UsageError(f"--channels {options.channels}: 1 (grey) or 3 (colour)")
    if options.weights is not None and options.pretrained:
        raise UsageError("--weights and --pretrained exclude each other")
    if not (options.lr > 0 and math.isfinite(options.lr)):
        raise UsageError(f"--lr {options.lr}: a positive number is needed")
    if options.dropout is not None and not 0 <= options.dropout < 1:
        raise UsageError(f"--dropout {options.dropout}: a share in [0, 1) is needed")
    if options.augment != "none" and options.freeze_backbone:
        raise UsageError("--augment cannot go with --freeze-backbone: features are computed once per image")
    augmentation(options.augment)


def _start(project: Project, manifest: Manifest, train: Split) -> ModelRecord | None:
    """Return the newest of our models that learned from other labels: the same call twice begins alike."""
    now = labels_digest(manifest, train)
    others = [m for m in models.all_models(project) if not m.external and m.about["labels_digest"] != now]
    return others[-1] if others else None


def _look_at_some(project: Project, manifest: Manifest, train: Split) -> Look:
    """Look at the images with the smallest ids: as good as random, and the same every time."""
    order = np.argsort(manifest.keys[train.rows], kind="stable")[:_LOOKED_AT]
    names = manifest.strings("file_name", train.rows[order])
    return look([f"{project.pool}/{name}" for name in names])


def _image_size(options: Options, architecture: str, seen: Look) -> int | None:
    if options.image_size is not None or not networks.is_built_in(architecture):
        return options.image_size
    return min(SMALL_PX, max(networks.SMALLEST_PX, seen.longest_side))


def _channels(options: Options, seen: Look) -> int:
    """Grey networks for grey images, unless weights are given: those are nearly always for colour."""
    if options.channels is not None:
        return options.channels
    return 1 if seen.grey and options.weights is None and not options.pretrained else 3
