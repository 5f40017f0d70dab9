"""Probing: differentiate the newest model at some images and save what strategies rank them by.

Such signals cost tens of backward passes for each image, so they are not computed for the whole pool, as
those of `score` are, but for candidates. Each has a store of its own beside the model's signals.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli import inference, ledger, networks
from alcli.errors import StepMissing, UsageError
from alcli.images.album import Decoders
from alcli.images.transform import Transform
from alcli.inference import Arrays
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.networks import Model, deepfool
from alcli.networks import gradient_lengths as lengths
from alcli.progress import Progress, silent
from alcli.project import Project
from alcli.signals import SignalStore

logger = logging.getLogger("alcli")


class _Probe(NamedTuple):
    """How a signal is computed.

    Attributes:
        of: Takes the model, (b, C, H, W) images and the temperature; returns (b,).
        settings: What the signal depends on beside model and image.
        least: Classes that the model must have.
    """

    of: Callable[[Model, Any, float], Any]
    settings: dict[str, int]
    least: int


def _adversarial_distances(model: Model, images: Any, _: float) -> Any:
    """Return how far the pixels are from another class; through the backbone, frozen or not, and the head."""
    return deepfool.adversarial_distances(lambda inputs: model.classifier(inputs)[0], images)


def _gradient_lengths(model: Model, images: Any, temperature: float) -> Any:
    return lengths.gradient_lengths(model, images, temperature=temperature)


_PROBES = {
    "adversarial_distances": _Probe(
        _adversarial_distances, {"classes": deepfool.CLASSES, "steps": deepfool.STEPS}, 2
    ),
    "gradient_lengths": _Probe(_gradient_lengths, {"classes": lengths.CLASSES}, 1),
}


def probe(
    project: Project,
    record: ModelRecord,
    signal: str,
    manifest: Manifest,
    rows: NDArray[np.int64],
    *,
    device: str = "auto",
    workers: Decoders = None,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> SignalStore:
    """Compute a signal of those images that have none yet, or one of an earlier state of their file.

    It is saved part by part: what a killed run saved is not computed again. The pool's lock is taken.

    Args:
        project: The pool.
        record: The model.
        signal: `adversarial_distances` or `gradient_lengths`.
        manifest: The pool's.
        rows: (r,) rows of it, in any order.
        device: As on the command line.
        workers: Decoding processes, None for one per core; or an album of the images.
        batch_size: Images per batch; None chooses by image size.
        progress: Told of every batch.

    Returns:
        The signal's store. It lacks images that could not be decoded; the manifest now calls them unreadable.

    Raises:
        StepMissing: The model is a user's own, so alcli cannot differentiate it.
        UsageError: The model has one class, between which and another no distance is.
        InputRejected: A value is not finite.
    """
    chosen = _PROBES[signal]
    _check(project, record, signal, chosen)
    with ledger.writing(project, "select"):
        store = SignalStore(record.probed(project, signal))
        transform = Transform.from_dict(record.about["transform"])
        _prepare(store, record, signal, chosen)
        todo = inference.stale_rows(manifest, np.sort(rows), store)
        if not len(todo):
            return store
        inference.save_signals(
            project,
            manifest,
            todo,
            store,
            transform,
            _computation(record, signal, chosen, transform, device),
            batch_size=batch_size or (256 if transform.image_size <= 64 else 16),
            workers=workers,
            progress=progress,
            stage=signal.replace("_", " "),
        )
        now = ledger.read(project)
        found = inference.with_findings(now, store)
        if found is not now:
            ledger.commit(project, found, command="select", model=record.id, **{signal: len(todo)})
        else:
            ledger.note(project, "select", model=record.id, **{signal: len(todo)})
    return store


def _check(project: Project, record: ModelRecord, signal: str, chosen: _Probe) -> None:
    if record.external:
        raise StepMissing(
            f"model {record.id} came from a file, alcli cannot differentiate it to get {signal}",
            hint=f"{project.command('score', '--from', 'OUTPUTS.parquet')}, with a column {signal}",
        )
    if len(record.classes) < chosen.least:
        raise UsageError(f"{signal} need {chosen.least} classes or more; model {record.id} knows one")


def _prepare(store: SignalStore, record: ModelRecord, signal: str, chosen: _Probe) -> None:
    """Begin the store, or begin it anew where its values were computed in another way."""
    if store and store.about["settings"] == chosen.settings:
        return
    shutil.rmtree(store.folder, ignore_errors=True)
    store.create(
        model=record.id,
        transform=record.about["transform"],
        settings=chosen.settings,
        signals={signal: {"shape": [], "dtype": "float64"}},
    )


def _computation(
    record: ModelRecord, signal: str, chosen: _Probe, transform: Transform, device: str
) -> Callable[[NDArray[np.uint8]], Arrays]:
    """Return the function from (b, H, W, C) pixels to the signal."""
    place = networks.choose_device(device)
    model = networks.load(record, place)
    temperature = float(record.about.get("temperature", 1.0))

    def compute(pixels: NDArray[np.uint8]) -> Arrays:
        images = networks.to_input(pixels, transform, place)
        return {signal: chosen.of(model, images, temperature).cpu().numpy()}

    return compute
