"""Networks: how they are built, where they run, how their weights are kept."""

from __future__ import annotations

from alcli.networks.autoencoder import SMALLEST_PX as SMALLEST_AUTOENCODED_PX
from alcli.networks.backbones import (
    SMALLEST_PX,
    check_architecture,
    default_dropout,
    default_transform,
    is_built_in,
)
from alcli.networks.devices import choose_device, choose_precision, images_at_once, to_input
from alcli.networks.model import (
    AUTOENCODER,
    EMBEDDINGS,
    OBJECTIVES,
    Blueprint,
    Classifier,
    Embedder,
    Model,
    Outputs,
    Standardise,
    build,
)
from alcli.networks.weights import fit_backbone, load, read_weights, save

__all__ = [
    "AUTOENCODER",
    "EMBEDDINGS",
    "OBJECTIVES",
    "SMALLEST_AUTOENCODED_PX",
    "SMALLEST_PX",
    "Blueprint",
    "Classifier",
    "Embedder",
    "Model",
    "Outputs",
    "Standardise",
    "build",
    "check_architecture",
    "choose_device",
    "choose_precision",
    "default_dropout",
    "default_transform",
    "fit_backbone",
    "images_at_once",
    "is_built_in",
    "load",
    "read_weights",
    "save",
    "to_input",
]
