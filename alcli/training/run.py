"""`train`, from the labelled images to a finished model in its folder."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import logging
from typing import Any

import numpy as np

from alcli import __version__, ledger, networks
from alcli import manifest as manifests
from alcli.images.album import Decoders
from alcli.models import ModelRecord
from alcli.networks import Model
from alcli.progress import Progress, silent
from alcli.project import Project
from alcli.training import batches, beginning, features, folders, methods, noise
from alcli.training.augmentation import augmentation
from alcli.training.checkpoints import Checkpoint, Fitting
from alcli.training.examples import read_examples
from alcli.training.inputs import Examples
from alcli.training.job import Job, TrainReport
from alcli.training.judgement import judge
from alcli.training.loop import Regime, Task, fit
from alcli.training.options import Options
from alcli.training.recipe import decide
from alcli.training.splits import WHOLE_POOL, check_trainable, labelled_splits, labels_digest, whole_pool

logger = logging.getLogger("alcli")


def train(
    project: Project,
    options: Options | None = None,
    *,
    device: str = "auto",
    workers: Decoders = None,
    resume: bool = False,
    test: bool = True,
    max_bad: int | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> TrainReport:
    """Fit networks to the labelled images and save them as the newest model.

    Args:
        project: The pool.
        options: What to train and how; None leaves all of it to the data.
        device: As on the command line.
        workers: Decoding processes, None for one per core; or an album of the images.
        resume: Go on where a killed run of the same training stopped.
        test: Measure the finished model on the test split, if there is one.
        max_bad: Fail if more labelled images than this are unreadable.
        dry_run: Only decide what would be trained; the report names no model then.
        progress: Told of every batch.

    Raises:
        StepMissing: There is no manifest, or no label.
        InputRejected: One class only, weights that do not fit, too many unreadable images.
        UsageError: An option is out of range, or names something that does not exist.
        LockHeld: Another `train` runs on this pool.
    """
    options = options or Options()
    place = networks.choose_device(device)
    project.require_manifest()
    manifest = manifests.read(project.manifest)
    splits = labelled_splits(manifest, use_pseudo_labels=options.use_pseudo_labels)
    check_trainable(project, manifest, splits["train"])
    if not test:
        splits["test"] = splits["test"].only(np.zeros(len(splits["test"]), np.bool_))
    if options.objective in methods.OF_WHOLE_POOL:
        splits[WHOLE_POOL] = whole_pool(manifest, splits["train"])
    recipe = decide(options, project, manifest, splits["train"], place)
    recipe = dataclasses.replace(recipe, noise=noise.rate(options, project, manifest, splits["train"]))
    job = Job(project, manifest, recipe, splits, place, workers, max_bad, progress)
    if dry_run:
        return job.planned()
    with folders.only_one(project):
        current = folders.up_to_date(project, job.identity)
        if current is not None:
            logger.info("model %s is up to date: same labels, same options, same seed", current.id)
            return job.report(current, trained=False)
        model = beginning.first_weights(recipe).to(place)
        with read_examples(job, model) as examples:
            record = _train(job, model, examples, resume=resume)
        ledger.note(project, "train", model=record.id, labelled=len(job.splits["train"]))
    return job.report(record, trained=True)


def _train(job: Job, model: Model, examples: dict[str, Examples], *, resume: bool) -> ModelRecord:
    """Fit what has to be fitted, judge it, publish it."""
    _drop_hopeless_embedder(job, model)
    _tell_about_data(job)
    if model.frozen:
        beginning.standardise(model, examples["train"])
    identity = job.identity
    partial = folders.begin(job.project, identity, resume=resume)
    fittings: dict[str, Fitting] = {}
    objective = methods.find_objective(job.recipe.options.objective)
    own = methods.own(objective, job.recipe.parameters)
    for task in objective(job, model, examples, **own):
        checkpoint = Checkpoint(partial / f"{task.name}.safetensors")
        stage = f"training {model.plan.architecture} ({task.name})"
        fittings[task.name] = fit(task, _regime(job, task), checkpoint, job.progress, stage)
    judged = judge(model, examples, fittings)
    about = {
        **_description(job, model),
        "temperature": judged.temperature,
        "metrics": judged.metrics | job.metrics,
    }
    log = [line for fitting in fittings.values() for line in fitting.log]
    return folders.publish(job.project, identity, model, about, log, job.learned, job.tables)


def _regime(job: Job, task: Task) -> Regime:
    options = job.recipe.options
    return Regime(
        epochs=task.epochs or job.recipe.epochs(task.name, task.steps),
        lr=task.lr or options.lr,
        patience=options.patience,
        seed=options.seed,
        device=job.device,
        precision=job.recipe.precision,
        augment=augmentation(options.augment),
    )


def _drop_hopeless_embedder(job: Job, model: Model) -> None:
    """Leave the triplet network out if it has no two classes to tell apart; say which are too small."""
    if model.embedder is None:
        return
    codes = job.splits["train"].codes
    usable, present = batches.anchor_classes(codes), np.unique(codes)
    if len(usable) < 2:
        model.embedder = None
        logger.warning(
            "no triplet embedding is trained: it needs two classes with two labelled images each, and has %d",
            len(usable),
        )
    elif len(usable) < len(present):
        small = [job.manifest.classes[code] for code in np.setdiff1d(present, usable)]
        logger.warning(
            "%d classes have a single labelled image and stay out of the triplet embedding: %s",
            len(small),
            _few(small),
        )


def _tell_about_data(job: Job) -> None:
    """Say what people should know before they trust the model."""
    if job.unreadable:
        logger.warning(
            "%d %s are unreadable and were left out; see `alcli status`", job.unreadable, job.images_read
        )
    absent = np.setdiff1d(np.arange(len(job.manifest.classes)), job.splits["train"].codes)
    if len(absent):
        names = [job.manifest.classes[code] for code in absent]
        logger.warning("%d classes have no labelled image to learn from: %s", len(names), _few(names))
    if not len(job.splits["val"]):
        logger.info("no validation images: the last epoch is kept, and accuracy is not measured")


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _description(job: Job, model: Model) -> dict[str, Any]:
    """Return what `model.json` says of how the model was made."""
    plan = model.plan
    return {
        "kind": "trained",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "architecture": plan.architecture,
        "objective": plan.objective,
        "code": plan.code,
        "code_width": plan.code_width,
        "classes": list(job.manifest.classes),
        "transform": job.recipe.transform.to_dict(),
        "embedding": "none" if model.embedder is None else plan.embedding,
        "embedding_dim": plan.embedding_dim,
        "dropout": plan.dropout,
        "frozen": model.frozen,
        "features": features.store_name(model, job.recipe.transform) if model.frozen else None,
        "seed": job.recipe.options.seed,
        "labels_digest": labels_digest(job.manifest, job.splits["train"]),
        "labelled": {name: len(split) for name, split in job.splits.items()},
        "options": job.recipe.record(),
        "versions": {"alcli": __version__}
        | {name: importlib.metadata.version(name) for name in ("torch", "timm")},
    }
