"""Which networks are trained and how images become their inputs, where that was left open."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from alcli import networks
from alcli.errors import UsageError
from alcli.images.look import Look
from alcli.images.transform import Transform
from alcli.networks import Blueprint
from alcli.training.options import Options

SMALL_PX = 64
_OF_CLASSIFIERS = ("weights", "pretrained", "freeze_backbone", "dropout")  # options that `ccl` has no use for


def design(
    options: Options, parameters: Mapping[str, Any], seen: Look, *, classes: int
) -> tuple[Blueprint, Transform]:
    """Decide on the networks, and on how images become their inputs.

    Args:
        options: As asked for.
        parameters: Of the objective, among others, converted.
        seen: What a few images look like.
        classes: How many there are.

    Raises:
        UsageError: There is no such network, it does not take such images, or an option does not go with the
            objective.
    """
    if options.objective == "ccl":
        return _of_clusters(options, parameters, seen, classes)
    architecture = options.model or ("lenet" if seen.longest_side <= SMALL_PX else "resnet18")
    networks.check_architecture(architecture)
    transform = networks.default_transform(
        architecture, image_size=_image_size(options, architecture, seen), channels=_channels(options, seen)
    )
    blueprint = Blueprint(
        architecture=architecture,
        classes=classes,
        channels=transform.channels,
        image_size=transform.image_size,
        embedding=options.embedding,
        embedding_dim=options.embedding_dim,
        dropout=networks.default_dropout(architecture) if options.dropout is None else options.dropout,
        frozen=options.freeze_backbone,
    )
    if options.objective == "vaal":
        if options.freeze_backbone:
            raise UsageError("--freeze-backbone cannot go with --objective vaal, which learns of the pixels")
        size = {"code": parameters["z"], "code_width": parameters["vae_width"]}
        blueprint = dataclasses.replace(blueprint, objective="vaal", **size)
    return blueprint, transform


def _of_clusters(
    options: Options, parameters: Mapping[str, Any], seen: Look, classes: int
) -> tuple[Blueprint, Transform]:
    """Return the autoencoder of `ccl`, which trains no triplet embedding."""
    unfit = [name for name in _OF_CLASSIFIERS if getattr(options, name) not in (None, False)]
    if options.model not in (None, networks.AUTOENCODER):
        unfit.append("model")
    if unfit:
        raise UsageError(
            f"--{unfit[0].replace('_', '-')} cannot go with --objective ccl, whose network is an autoencoder"
        )
    smallest = networks.SMALLEST_AUTOENCODED_PX
    size = (
        min(SMALL_PX, max(smallest, seen.longest_side)) if options.image_size is None else options.image_size
    )
    if size < smallest:
        raise UsageError(f"--image-size {size}: --objective ccl needs at least {smallest} px")
    transform = Transform(image_size=size, channels=_channels(options, seen))
    blueprint = Blueprint(
        architecture=networks.AUTOENCODER,
        classes=classes,
        channels=transform.channels,
        image_size=size,
        embedding="none",
        embedding_dim=options.embedding_dim,
        objective="ccl",
        code=parameters["embedding"],
    )
    return blueprint, transform


def _image_size(options: Options, architecture: str, seen: Look) -> int | None:
    if options.image_size is not None or not networks.is_built_in(architecture):
        return options.image_size
    return min(SMALL_PX, max(networks.SMALLEST_PX, seen.longest_side))


def _channels(options: Options, seen: Look) -> int:
    """Grey networks for grey images, unless weights are given: those are nearly always for colour."""
    if options.channels is not None:
        return options.channels
    return 1 if seen.grey and options.weights is None and not options.pretrained else 3
