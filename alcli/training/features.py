"""Features of a frozen backbone: computed once per image, kept as a signal, read by every later round."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alcli import files, inference, ledger, manifest as manifests, networks
from alcli.images.transform import Transform
from alcli.manifest import Manifest
from alcli.networks import Model
from alcli.progress import Progress
from alcli.project import Project
from alcli.signals import SignalStore
from alcli.training.inputs import Examples, Features
from alcli.training.splits import Split

SIGNAL = "features"


def store_name(model: Model, transform: Transform) -> str:
    """Return the name of the features' folder: what they depend on is architecture, weights and transform."""
    weights = model.classifier.backbone.state_dict()
    parts: list[bytes | str] = [model.plan.architecture, transform.digest]
    for name, tensor in weights.items():
        parts += [name, tensor.cpu().contiguous().numpy().tobytes()]
    return f"{SIGNAL}-{files.digest(*parts)}"


def compute_missing(
    project: Project,
    splits: dict[str, Split],
    model: Model,
    transform: Transform,
    device: torch.device,
    *,
    precision: str,
    workers: int | None,
    progress: Progress,
) -> SignalStore:
    """Compute the features of labelled images that have none yet, and note in the manifest what cannot be read."""
    store = SignalStore(project.signals / store_name(model, transform))
    with ledger.writing(project, "train"):
        manifest = manifests.read(project.manifest)
        if not store:
            shape = {"shape": [model.width], "dtype": "float16"}
            store.create(model=None, transform=transform.to_dict(), signals={SIGNAL: shape})
        rows = np.sort(np.concatenate([split.rows for split in splits.values()]))
        inference.save_signals(
            project,
            manifest,
            inference.stale_rows(manifest, rows, store),
            store,
            transform,
            _computation(model, transform, device, precision),
            batch_size=512 if transform.image_size <= 64 else 64,
            workers=workers,
            progress=progress,
            stage=f"features of {model.plan.architecture}",
        )
        found = inference.with_findings(manifest, store)
        if found is not manifest:
            ledger.commit(project, found, command="train", features=len(rows))
    return store


def examples(store: SignalStore, manifest: Manifest, split: Split, device: torch.device) -> Examples:
    """Return the features and class codes of a split's images; each must have features."""
    values = store.read([SIGNAL], manifest.keys[split.rows])[SIGNAL]
    return Examples(Features(torch.from_numpy(values.astype(np.float32)).to(device)), split.codes)


def _computation(model: Model, transform: Transform, device: torch.device, precision: str) -> Any:
    @torch.inference_mode()
    def compute(pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        images = networks.to_input(pixels, transform, device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            features = model.features(images)
        return {SIGNAL: features.float().cpu().numpy().astype(np.float16)}

    return compute
