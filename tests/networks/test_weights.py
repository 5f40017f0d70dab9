"""Weights on disk: what is saved is loaded, what does not fit is named, and no pickle is ever run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from alcli.errors import InputRejected
from alcli.images.transform import Transform
from alcli.models import ModelRecord
from alcli.networks import Blueprint, Model, build, fit_backbone, load, read_weights, save
from alcli.networks.backbones import build_backbone

CPU = torch.device("cpu")
IMAGES = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def saved(folder: Path, **plan: object) -> tuple[Model, ModelRecord]:
    blueprint = Blueprint("lenet", 2, 1, 16, dropout=0.5, **plan)
    model = build(blueprint, seed=7)
    folder.mkdir(exist_ok=True)
    save(model, folder)
    about = {
        "architecture": "lenet",
        "classes": ["a", "b"],
        "transform": Transform(image_size=16, channels=1).to_dict(),
        "embedding": blueprint.embedding,
        "embedding_dim": 128,
        "dropout": 0.5,
        "frozen": blueprint.frozen,
    }
    return model, ModelRecord(folder, about)


@pytest.mark.parametrize("plan", [{}, {"embedding": "joint"}, {"embedding": "none"}, {"frozen": True}])
def test_a_saved_model_is_loaded_as_it_was(tmp_path: Path, plan: dict[str, object]) -> None:
    model, record = saved(tmp_path / "m", **plan)
    loaded = load(record, CPU)
    assert not loaded.training
    assert loaded.frozen == model.frozen
    for one, other in zip(model(IMAGES), loaded(IMAGES), strict=True):
        assert (one is None and other is None) or torch.equal(one, other)


@pytest.mark.parametrize("damage", [b"", b"not weights", None])
def test_damaged_weights_are_rejected(tmp_path: Path, damage: bytes | None) -> None:
    _, record = saved(tmp_path / "m")
    file = record.folder / "embedder.safetensors"
    file.unlink() if damage is None else file.write_bytes(damage)
    with pytest.raises(InputRejected, match=r"embedder\.safetensors"):
        load(record, CPU)


@pytest.mark.parametrize("form", ["safetensors", "pth", "wrapped.pth", "classifier"])
def test_weights_of_others_are_taken_whatever_their_head(tmp_path: Path, form: str) -> None:
    torch.manual_seed(3)
    donor, _ = build_backbone("resnet18", channels=3, image_size=32)
    tensors = {**donor.state_dict(), "fc.weight": torch.zeros(7, 512), "fc.bias": torch.zeros(7)}
    path = tmp_path / f"w.{form}"
    if form == "safetensors":
        safetensors.torch.save_file(tensors, path)
    elif form == "pth":
        old = {name: tensor for name, tensor in tensors.items() if "num_batches" not in name}
        torch.save(old, path)
    elif form == "wrapped.pth":
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": t for name, t in tensors.items()}}, path)
    else:  # what `alcli train` itself saves
        path = tmp_path / "classifier.safetensors"
        safetensors.torch.save_file({f"backbone.{n}": t for n, t in donor.state_dict().items()}, path)
    backbone, _ = build_backbone("resnet18", channels=3, image_size=32)
    fit_backbone(backbone, read_weights(path), "resnet18", path)
    assert torch.equal(backbone.conv1.weight, donor.conv1.weight)
    assert torch.equal(backbone.layer4[1].bn2.bias, donor.layer4[1].bn2.bias)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t.pop("0.bias"), "0.bias is missing"),
        (
            lambda t: t.update({"3.weight": torch.zeros(64, 32, 5, 5)}),
            r"3.weight is \(64, 32, 5, 5\), lenet has",
        ),
        (lambda t: t.update(extra=torch.zeros(1)), "extra is not in lenet"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, change: object, problem: str) -> None:
    backbone, _ = build_backbone("lenet", channels=1, image_size=16)
    tensors = dict(backbone.state_dict())
    change(tensors)  # type: ignore[operator]
    path = tmp_path / "w.safetensors"
    with pytest.raises(InputRejected, match=f"do not fit lenet: {problem}"):
        fit_backbone(backbone, tensors, "lenet", path)


class _Bomb:
    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_pickled_objects_are_never_run(tmp_path: Path, writer: str) -> None:
    path, trace = tmp_path / "w.pth", tmp_path / "ran"
    content = {"weight": torch.zeros(1), "bomb": _Bomb(trace)}
    if writer == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputRejected, match="holds Python objects"):
        read_weights(path)
    assert not trace.exists()


@pytest.mark.parametrize("content", [[1, 2], {"weights": [1.0]}])
def test_a_file_without_tensors_by_name_is_rejected(tmp_path: Path, content: object) -> None:
    path = tmp_path / "w.pth"
    torch.save(content, path)
    with pytest.raises(InputRejected, match="no tensors by name"):
        read_weights(path)
