"""Weights on disk: a trained model's own, and files that users bring. Nothing here unpickles an object."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from alcli import files
from alcli.errors import InputRejected
from alcli.images.transform import Transform
from alcli.models import ModelRecord
from alcli.networks.backbones import classifier_names
from alcli.networks.model import Blueprint, Model, build

_SUFFIX = ".safetensors"
_SHOWN = 5
_WRAPPERS = ("state_dict_ema", "state_dict", "model_state_dict", "model", "net")


def save(model: Model, folder: Path) -> None:
    """Write a model's weights into `folder`."""
    for name, network in model.parts.items():
        tensors = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
        with files.atomic_path(folder / f"{name}{_SUFFIX}") as temporary:
            safetensors.torch.save_file(tensors, temporary)


def load(record: ModelRecord, device: torch.device) -> Model:
    """Return a trained model on `device`, in evaluation mode.

    Raises:
        InputRejected: Its weights are missing, damaged or of another network.
    """
    about = record.about
    transform = Transform.from_dict(about["transform"])
    plan = Blueprint(
        architecture=about["architecture"],
        classes=len(record.classes),
        channels=transform.channels,
        image_size=transform.image_size,
        embedding=about["embedding"],
        embedding_dim=about["embedding_dim"],
        dropout=about["dropout"],
        frozen=about["frozen"],
        objective=record.objective,
        code=about.get("code", 0),
        code_width=about.get("code_width", 0),
    )
    model = build(plan)
    for name, network in model.parts.items():
        path = record.folder / f"{name}{_SUFFIX}"
        _fill(network, read_weights(path), path)
    return model.to(device).eval()


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of tensors by name: safetensors, or what `torch.save` wrote as long as it is tensors alone.

    Raises:
        InputRejected: The file is missing, damaged, or holds pickled objects.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(path))
        with warnings.catch_warnings():  # torch warns of pickles that it then refuses
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputRejected(f"there is no file of weights at {path}") from error
    except pickle.UnpicklingError as error:
        raise InputRejected(
            f"{path} holds Python objects, or is no file of weights; alcli loads tensors alone",
            hint="save the weights again: torch.save(model.state_dict(), FILE), or as safetensors",
        ) from error
    except (safetensors.SafetensorError, OSError, RuntimeError, EOFError, ValueError) as error:
        raise InputRejected(f"{path} is not a file of weights: {error}") from error
    return _unwrapped(loaded, path)


def fit_backbone(backbone: nn.Module, weights: dict[str, Tensor], architecture: str, path: Path) -> None:
    """Load a user's weights into a backbone; layers that classify are passed over.

    Args:
        backbone: Of that architecture.
        weights: As read; of the whole network, or of a classifier that alcli trained.
        architecture: Names the layers that classify.
        path: For the message.

    Raises:
        InputRejected: A layer is missing, is too many or has another shape; the first ones are named.
    """
    prefix = "backbone."
    if any(name.startswith(prefix) for name in weights):
        weights = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
    heads = tuple(f"{name}." for name in classifier_names(architecture))
    own = backbone.state_dict()
    kept = {name: tensor for name, tensor in weights.items() if name in own or not name.startswith(heads)}
    for name, tensor in own.items():
        if name.endswith("num_batches_tracked"):  # files of old versions of torch lack these counters
            kept.setdefault(name, tensor)
    _fill(backbone, kept, path, architecture)


def _fill(
    network: nn.Module, weights: dict[str, Tensor], path: Path, architecture: str = "this network"
) -> None:
    own = network.state_dict()
    problems = [f"{name} is missing" for name in own if name not in weights]
    problems += [
        f"{name} is {tuple(weights[name].shape)}, {architecture} has {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    problems += [f"{name} is not in {architecture}" for name in weights if name not in own]
    if problems:
        first = "; ".join(problems[:1])
        raise InputRejected(
            f"the weights in {path} do not fit {architecture}: {first}"
            + (f", and {len(problems) - 1} more" if len(problems) > 1 else ""),
            hint="--model, --channels and --image-size must be those that the weights were made with",
            details=problems[:_SHOWN],
        )
    network.load_state_dict(weights)


def _unwrapped(loaded: Any, path: Path) -> dict[str, Tensor]:
    """Find the tensors in what a training script saved: under a usual key, behind a usual prefix."""
    for key in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
            break
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise InputRejected(f"{path} holds no tensors by name", hint="torch.save(model.state_dict(), FILE)")
    return {str(name).removeprefix("module."): tensor for name, tensor in loaded.items()}
