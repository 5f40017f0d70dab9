"""What is decided before training begins: what was asked for, and what the data suggest for the rest."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from alcli import files, models, networks
from alcli.errors import InputRejected
from alcli.images.look import Look, look
from alcli.images.transform import Transform
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.networks import Blueprint
from alcli.project import Project
from alcli.training import methods
from alcli.training.designs import design
from alcli.training.noise import NoiseRate
from alcli.training.options import Options, check
from alcli.training.splits import Split, labelled_splits, labels_digest

_LOOKED_AT = 64
_BATCH = 32
_FEATURE_BATCHES = (32, 1024)
_MOST_EPOCHS = 200
# Triplets teach slowly: on 5,000 images of CIFAR-10, 30 epochs leave LeNet-5's embedding far behind its classifier.
_LEAST_EPOCHS = {"classifier": 30, "joint": 30, "embedder": 60}
_LEAST_EPOCHS_TIMM = 30
# A balanced batch of the embedder holds two to three times the images of a classifier's.
_WANTED_STEPS = {"classifier": 1500, "joint": 1500, "embedder": 600}
_WANTED_STEPS_TIMM = 300
_WARM_UP, _WARM_UP_REFINING = 2, 5


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
        parameters: Of the loss, the objective and the rest, by name, converted, defaults filled in.
        noise: The share of wrong labels that co-teaching reckons with.
    """

    options: Options
    blueprint: Blueprint
    transform: Transform
    precision: str
    weights_digest: str
    start: ModelRecord | None = None
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    noise: NoiseRate | None = None

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
            "parameters": dict(self.parameters),
            "warm_up_epochs": self.warm_up_epochs,
            "noise_rate": self.noise and dataclasses.asdict(self.noise),
        }

    def identity(self, content: str) -> str:
        """Return the digest of what a trained model depends on: these decisions and the labelled images."""
        return files.digest(
            json.dumps({**self.record(), "weights": None}, sort_keys=True), self.transform.digest, content
        )

    @property
    def warm_up_epochs(self) -> int:
        """Epochs of plain cross-entropy before the loss, or refining, begins; by default at most a third of them."""
        if self.options.warm_up_epochs is not None:
            return self.options.warm_up_epochs
        if self.options.refine_pseudo is None and self.options.loss == "cross-entropy":
            return 0
        usual = _WARM_UP if self.options.refine_pseudo is None else _WARM_UP_REFINING
        return usual if self.options.epochs is None else min(usual, self.options.epochs // 3)

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
        asked = self.options.epochs
        if task == "embedder" and self.options.embedding_epochs is not None:
            asked = self.options.embedding_epochs
        if asked is not None:
            return asked
        least, wanted = _LEAST_EPOCHS_TIMM, _WANTED_STEPS_TIMM
        if networks.is_built_in(self.blueprint.architecture):
            least, wanted = _LEAST_EPOCHS[task], _WANTED_STEPS[task]
        return min(_MOST_EPOCHS, max(least, math.ceil(wanted / steps)))


def decide(
    options: Options, project: Project, manifest: Manifest, train: Split, device: torch.device
) -> Recipe:
    """Fill in what was left open, after a look at a few labelled images.

    Raises:
        UsageError: A value is unknown or out of range.
        InputRejected: There is no file of weights.
    """
    check(options)
    parameters = methods.settle(options)
    seen = _look_at_some(project, manifest, train)
    blueprint, transform = design(options, parameters, seen, classes=len(manifest.classes))
    if options.weights is not None and not options.weights.is_file():
        raise InputRejected(f"there is no file of weights at {options.weights}")
    digest = "" if options.weights is None else files.file_digest(options.weights)
    precision = networks.choose_precision(options.precision, device)
    start = _start(project, manifest, train, options.objective) if options.warm_start else None
    return Recipe(options, blueprint, transform, precision, digest, start, parameters)


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


def _start(project: Project, manifest: Manifest, train: Split, objective: str) -> ModelRecord | None:
    """Return the newest of our models of this objective that learned from other labels.

    So the same call twice begins alike.
    """
    now = labels_digest(manifest, train)
    own = [m for m in models.all_models(project) if not m.external and m.objective == objective]
    others = [m for m in own if m.about["labels_digest"] != now]
    return others[-1] if others else None


def _look_at_some(project: Project, manifest: Manifest, train: Split) -> Look:
    """Look at the images with the smallest ids: as good as random, and the same every time."""
    order = np.argsort(manifest.keys[train.rows], kind="stable")[:_LOOKED_AT]
    names = manifest.strings("file_name", train.rows[order])
    return look([f"{project.pool}/{name}" for name in names])
