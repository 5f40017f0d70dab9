"""A classifier of the labels, and an embedding in which a triplet loss pulls classes together."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from alcli.losses.classification.bootstrap_reconstruction import Maps, bootstrap_reconstruction
from alcli.networks import Model
from alcli.training import beginning, methods, refinements, tasks
from alcli.training.co_teaching import co_teaching_task, kept_share
from alcli.training.criterion import Criterion
from alcli.training.inputs import Examples
from alcli.training.job import Job
from alcli.training.loop import Task
from alcli.training.refining import Manner, Refiner

logger = logging.getLogger("alcli")


def classifier(job: Job, model: Model, examples: dict[str, Examples]) -> Iterator[Task]:
    """Yield the classifier's task, then the embedder's; or both as one where they share a backbone.

    Args:
        job: What was asked for.
        model: Whose networks are fitted.
        examples: By split.
    """
    learned, val = examples["train"], examples["val"]
    how: dict[str, Any] = {"size": job.recipe.batch_size(len(learned)), "criterion": _criterion(job, learned)}
    if model.plan.embedding == "joint" and model.embedder is not None and not model.frozen:
        yield tasks.joint_task(model, learned, val, **how)
        return
    if job.recipe.noise is not None:
        own = methods.own(kept_share, job.recipe.parameters)
        peer = beginning.peer(job.recipe, model).to(job.device)
        yield co_teaching_task(model, peer, learned, val, noise_rate=job.recipe.noise.value, **own, **how)
    else:
        refiner = _refiner(job)
        mixup = job.recipe.options.mixup
        yield tasks.classifier_task(model, learned, val, mixup=mixup, refiner=refiner, **how)
        if refiner is not None:
            refinements.note(job, refiner)
    if model.embedder is not None:
        yield tasks.embedder_task(model.embedder, learned, val, classes=len(job.manifest.classes))


def _criterion(job: Job, learned: Examples) -> Criterion:
    """Say what is minimised."""
    classes, options = len(job.manifest.classes), job.recipe.options
    weights = None
    if options.class_weights == "balanced":
        weights = tasks.balanced_weights(learned.codes, classes).to(job.device)
    loss = methods.find_loss(options.loss)
    maps = None
    if loss is bootstrap_reconstruction:
        maps = Maps(classes, learned.inputs.width).to(job.device)
    return Criterion(
        classes=classes,
        loss=loss,
        parameters=methods.own(loss, job.recipe.parameters),
        warm_up=job.recipe.warm_up_epochs,
        smoothing=options.label_smoothing,
        weights=weights,
        maps=maps,
    )


def _refiner(job: Job) -> Refiner | None:
    """Return what refines pseudo-labels, if that was asked for."""
    split, mode = job.splits["train"], job.recipe.options.refine_pseudo
    if mode is not None and not split.pseudo:
        logger.warning("there are no pseudo-labels to refine")
    if mode is None or not split.pseudo:
        return None
    return Refiner(
        mode,
        Manner(**methods.own(Manner, job.recipe.parameters)),
        split.codes,
        split.given_by_model,
        classes=len(job.manifest.classes),
        warm_up=job.recipe.warm_up_epochs,
    )
