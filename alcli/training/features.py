"""Features of a frozen backbone: computed once per image, kept as a signal, read by every later round."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from alcli import files, inference, ledger, networks
from alcli import manifest as manifests
from alcli.images.transform import Transform
from alcli.inference import Arrays
from alcli.manifest import Manifest
from alcli.networks import Model
from alcli.signals import SignalStore
from alcli.training.inputs import Examples, Features
from alcli.training.job import Job
from alcli.training.splits import Split

SIGNAL = "features"


def store_name(model: Model, transform: Transform) -> str:
    """Return the name of the features' folder: what they depend on is architecture, weights and transform."""
    weights = model.classifier.backbone.state_dict()
    parts: list[bytes | str] = [model.plan.architecture, transform.digest]
    for name, tensor in weights.items():
        parts += [name, tensor.cpu().contiguous().numpy().tobytes()]
    return f"{SIGNAL}-{files.digest(*parts)}"


def compute_missing(job: Job, model: Model) -> SignalStore:
    """Compute the features of labelled images that have none; note in the manifest what cannot be read."""
    project, transform = job.project, job.recipe.transform
    store = SignalStore(project.signals / store_name(model, transform))
    with ledger.writing(project, "train"):
        if not store:
            shape = {"shape": [model.width], "dtype": "float16"}
            store.create(model=None, transform=transform.to_dict(), signals={SIGNAL: shape})
        rows = np.sort(np.concatenate([split.rows for split in job.splits.values()]))
        inference.save_signals(
            project,
            job.manifest,
            inference.stale_rows(job.manifest, rows, store),
            store,
            transform,
            _computation(model, transform, job.device),
            batch_size=networks.images_at_once(transform.image_size, job.device),
            workers=job.workers,
            progress=job.progress,
            stage=f"features of {model.plan.architecture}",
        )
        now = manifests.read(project.manifest)
        found = inference.with_findings(now, store)
        if found is not now:
            ledger.commit(project, found, command="train", features=len(rows))
    return store


def examples(store: SignalStore, manifest: Manifest, split: Split, device: torch.device) -> Examples:
    """Return the features and class codes of a split's images; each must have features."""
    values = store.read([SIGNAL], manifest.keys[split.rows])[SIGNAL]
    return Examples(Features(torch.from_numpy(values.astype(np.float32)).to(device)), split.codes)


def _computation(
    model: Model, transform: Transform, device: torch.device
) -> Callable[[NDArray[np.uint8]], Arrays]:
    """Return the function from (b, H, W, C) pixels to (b, d) features, float32 as in `score`."""

    @torch.inference_mode()
    def compute(pixels: NDArray[np.uint8]) -> Arrays:
        features = model.features(networks.to_input(pixels, transform, device))
        return {SIGNAL: features.float().cpu().numpy().astype(np.float16)}

    return compute
