"""Backbones by name: the built-in ones and all of timm's. They make features of images; heads come on top."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

from alcli import plugins
from alcli.errors import UsageError
from alcli.images.transform import Transform
from alcli.networks import lenet as _lenet
from alcli.networks import lenet5 as _lenet5
from alcli.networks import mlp as _mlp

SMALLEST_PX = 8
_BUILT_IN = {"lenet": (_lenet.lenet, _lenet), "lenet5": (_lenet5.lenet5, _lenet5), "mlp": (_mlp.mlp, _mlp)}


def is_built_in(architecture: str) -> bool:
    """Return whether the architecture is one of alcli's own."""
    return architecture in _BUILT_IN


def check_architecture(architecture: str) -> None:
    """Check that an architecture exists.

    Raises:
        UsageError: Neither built in nor timm's; near matches are named.
    """
    if is_built_in(architecture):
        return
    timm = _timm()
    # `hf-hub:` and the like would fetch a configuration, and only --pretrained may use the network.
    if ":" in architecture or not timm.is_model(architecture):
        known = [*_BUILT_IN, *timm.list_models()]
        raise UsageError(
            plugins.unknown("model", architecture, known), hint=f"{', '.join(_BUILT_IN)} or any model of timm"
        )


def default_dropout(architecture: str) -> float:
    """Return the rate of dropout before the classifier that belongs to an architecture."""
    return float(_BUILT_IN[architecture][1].DROPOUT) if is_built_in(architecture) else 0.0


def default_transform(architecture: str, *, image_size: int | None, channels: int) -> Transform:
    """Return how images are made ready for an architecture.

    Args:
        architecture: A known one.
        image_size: px; None is the size that timm's model was made for.
        channels: 1 or 3.

    Raises:
        UsageError: The size is too small, or has to be given.
    """
    if is_built_in(architecture):
        if image_size is None or image_size < SMALLEST_PX:
            raise UsageError(f"--image-size {image_size}: {architecture} needs at least {SMALLEST_PX} px")
        return Transform(image_size=image_size, channels=channels)
    config = _timm().data.resolve_data_config(pretrained_cfg=_timm_config(architecture))
    mean, std = config["mean"], config["std"]
    if channels == 1:
        mean, std = (sum(mean) / len(mean),), (sum(std) / len(std),)
    return Transform(
        image_size=image_size or config["input_size"][-1],
        channels=channels,
        resize="crop",
        crop_pct=config["crop_pct"],
        interpolation=config["interpolation"],
        mean=tuple(mean),
        std=tuple(std),
    )


def build_backbone(
    architecture: str, *, channels: int, image_size: int, pretrained: bool = False
) -> tuple[nn.Module, int]:
    """Build a backbone from torch's current random state.

    Args:
        architecture: A known one.
        channels: 1 or 3.
        image_size: px.
        pretrained: Fetch timm's weights; this is the only use of the network.

    Returns:
        The backbone, (b, C, H, W) to (b, width), and its width.

    Raises:
        UsageError: There are no pretrained weights, they cannot be fetched, or the image size does not suit.
    """
    if is_built_in(architecture):
        if pretrained:
            raise UsageError(
                f"{architecture} has no pretrained weights", hint="--model resnet18 --pretrained"
            )
        build, module = _BUILT_IN[architecture]
        return build(channels, image_size), module.WIDTH
    backbone = _build_timm(architecture, channels=channels, image_size=image_size, pretrained=pretrained)
    return backbone, _width(backbone, channels, image_size, architecture)


def classifier_names(architecture: str) -> tuple[str, ...]:
    """Return the names of the layers that classify, which a file of weights may have and a backbone lacks."""
    named = None if is_built_in(architecture) else _timm_config(architecture).get("classifier")
    return ("head", *((named,) if isinstance(named, str) else named or ()))


def _timm() -> Any:
    """Return timm; importing it takes a second, which the built-in networks do without."""
    import timm

    return timm


def _timm_config(architecture: str) -> dict[str, Any]:
    config = _timm().get_pretrained_cfg(architecture)
    return dict(config.to_dict()) if config else {"input_size": (3, 224, 224)}


def _build_timm(architecture: str, *, channels: int, image_size: int, pretrained: bool) -> nn.Module:
    sized = {"img_size": image_size} if _timm_config(architecture).get("fixed_input_size") else {}
    try:
        backbone: nn.Module = _timm().create_model(
            architecture, pretrained=pretrained, num_classes=0, in_chans=channels, **sized
        )
    except Exception as error:
        if not pretrained:
            raise UsageError(f"timm cannot build {architecture} for {image_size} px: {error}") from error
        raise UsageError(
            f"cannot fetch the pretrained weights of {architecture}: {error}",
            hint="download them elsewhere and give them with --weights FILE",
        ) from error
    return backbone


def _width(backbone: nn.Module, channels: int, image_size: int, architecture: str) -> int:
    """Run one black image through: timm's own attributes differ between families of models."""
    training = backbone.training
    backbone.eval()
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            features = backbone(torch.zeros(1, channels, image_size, image_size))  # (1, width)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UsageError(f"{architecture} does not take images of {image_size} px: {error}") from error
    backbone.train(training)
    if features.ndim != 2:
        raise UsageError(
            f"{architecture} gives maps of shape {tuple(features.shape)}, not one vector per image"
        )
    return int(features.shape[1])
