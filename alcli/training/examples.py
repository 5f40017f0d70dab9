"""From labelled images to what the loop learns from; unreadable ones are written down and left out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import identity, inference, ledger
from alcli import manifest as manifests
from alcli.errors import InputRejected
from alcli.images.album import Album, opened
from alcli.images.pipeline import DecodePool
from alcli.networks import Model
from alcli.training import features
from alcli.training.inputs import Examples, Reader
from alcli.training.job import Job
from alcli.training.splits import check_trainable


@contextlib.contextmanager
def read_examples(job: Job, model: Model) -> Iterator[dict[str, Examples]]:
    """Yield the examples of each split: pixels, or features where the backbone is frozen.

    Raises:
        InputRejected: Too many images are unreadable, or too few are left.
    """
    if model.frozen:
        yield _feature_examples(job, model)
        return
    with opened(job.workers, job.recipe.transform) as pool:
        yield _pixel_examples(job, pool)


def _feature_examples(job: Job, model: Model) -> dict[str, Examples]:
    store = features.compute_missing(job, model)
    found = {name: store.locate(job.manifest.keys[split.rows]) >= 0 for name, split in job.splits.items()}
    _leave_out(job, found, {name: entry["problem"] for name, entry in store.unreadable.items()})
    return {
        name: features.examples(store, job.manifest, split, job.device) for name, split in job.splits.items()
    }


def _pixel_examples(job: Job, pool: DecodePool | Album) -> dict[str, Examples]:
    reader = Reader(pool, job.recipe.transform, job.device)
    inputs, readable = {}, {}
    for name, split in job.splits.items():
        names = job.manifest.strings("file_name", split.rows)
        paths = [f"{job.project.pool}/{file_name}" for file_name in names]
        inputs[name], readable[name] = reader.read(paths, job.progress, f"reading {name} images")
    bad = _by_id(job, reader.unreadable)
    _write_down(job, bad)
    _leave_out(job, readable, {one: entry["problem"] for one, entry in bad.items()})
    return {name: Examples(inputs[name], split.codes) for name, split in job.splits.items()}


def _by_id(job: Job, unreadable: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Name the images by id instead of by path."""
    start = len(f"{job.project.pool}/")
    return {identity.alcli_id(path[start:]): entry for path, entry in unreadable.items()}


def _write_down(job: Job, bad: dict[str, dict[str, Any]]) -> None:
    if not bad:
        return
    with ledger.writing(job.project, "train"):
        now = manifests.read(job.project.manifest)
        found = inference.mark_unreadable(now, bad)
        if found is not now:
            ledger.commit(job.project, found, command="train", unreadable=len(bad))


def _leave_out(job: Job, readable: dict[str, NDArray[np.bool_]], problems: dict[str, str]) -> None:
    """Keep the readable images of each split.

    Raises:
        InputRejected: More than `max_bad` are unreadable, or what is left cannot be trained on.
    """
    bad = np.unique(np.concatenate([split.rows[~readable[name]] for name, split in job.splits.items()]))
    job.unreadable = len(bad)
    details = [
        f"{name}: {problems.get(str(one), 'unreadable')}"
        for name, one in zip(
            job.manifest.strings("file_name", bad), job.manifest.strings("alcli_id", bad), strict=True
        )
    ]
    if job.max_bad is not None and len(bad) > job.max_bad:
        raise InputRejected(
            f"{len(bad)} {job.images_read} are unreadable, more than --max-bad {job.max_bad}", details=details
        )
    job.splits = {name: split.only(readable[name]) for name, split in job.splits.items()}
    if not len(job.splits["train"]):
        raise InputRejected(
            f"none of the {len(readable['train'])} labelled images can be read", details=details,
            hint="look at the files named here; are they images?",
        )  # fmt: skip
    check_trainable(job.project, job.manifest, job.splits["train"])
