"""What a strategy needs that is not there: said before anything is read, with the command that helps."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

from alcli import models
from alcli.errors import StepMissing, UsageError
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.project import Project
from alcli.ranking import Plan

# What scoring gives only if the model has it, or if it is asked to.
_UNASKED = {"mc_probabilities", "triplet_embeddings", "cluster_probabilities", "discriminator_scores"}
_OF_OBJECTIVE = {"cluster_probabilities": "ccl", "discriminator_scores": "vaal"}
_SHARE_OF_MEMORY = 0.7


def model_missing(project: Project, what: str) -> StepMissing:
    """Return the refusal of a request that goes by a model where there is none."""
    return StepMissing(
        f"{what} goes by what a model says of the images, and none has been trained on this pool",
        hint=f"{project.command('train')}, or select with --strategy random, which needs no model",
    )


def require_signals(
    project: Project,
    manifest: Manifest,
    record: ModelRecord,
    plan: Plan,
    *,
    known: bool,
    probed: Sequence[str],
) -> None:
    """Check that scoring with this model gives what the strategy reads.

    Args:
        project: The pool.
        manifest: Its manifest.
        record: The model.
        plan: The strategy's.
        known: Whether the model has scored before, so that what is missing will not come unasked.
        probed: Signals that are computed for the candidates when they are needed.

    Raises:
        StepMissing: It does not; the command that helps is named.
    """
    missing = set(plan.missing) - set(probed)
    if record.about.get("embedding") != "none" and not known and not record.external:
        missing.discard("triplet_embeddings")
    if not known:
        missing &= _UNASKED
        missing -= {name for name, objective in _OF_OBJECTIVE.items() if record.objective == objective}
    if record.external or record.objective == "ccl":
        missing |= set(plan.model_inputs)
    if not missing:
        return
    what = f"{plan.strategy.name} needs {', '.join(sorted(missing))}, which model {record.id} has not given"
    if "triplet_embeddings" in missing and not record.external:
        raise models.triplets_missing(project, manifest, what)
    raise StepMissing(what, hint=_how_to_get(project, record, sorted(missing)))


def require_relabelling(
    project: Project, record: ModelRecord | None, plan: Plan, signals: Sequence[str]
) -> None:
    """Check that labelled images can be ranked for another label.

    Args:
        project: The pool.
        record: The newest model; None where there is none, which is refused elsewhere.
        plan: The strategy's.
        signals: Names of what the model has given; none where it has not scored yet.

    Raises:
        UsageError: The strategy ranks unlabelled images only.
        StepMissing: There are no embeddings to judge labels by.
    """
    if plan.strategy.again is None:
        raise UsageError(
            f"--relabel: {plan.strategy.name} ranks unlabelled images only",
            hint="--strategy activelab --relabel",
        )
    if record and signals and "embeddings" not in signals:
        raise StepMissing(
            f"--relabel judges the labels there are by embeddings, which model {record.id} has not given",
            hint=_how_to_get(project, record, ["embeddings"]),
        )


def _how_to_get(project: Project, record: ModelRecord, missing: Sequence[str]) -> str:
    if {"head_weights", "head_bias"} & set(missing):
        return f"{project.command('train')}: only a classifier of alcli's own shows its last layer"
    objective = next((_OF_OBJECTIVE[name] for name in missing if name in _OF_OBJECTIVE), None)
    if objective is not None:
        return project.command("train", "--objective", objective)
    if record.external:
        return project.command("score", "--from", "OUTPUTS.parquet")
    if "mc_probabilities" in missing:
        without = f"{project.command('train')}: the network of --objective ccl has no dropout"
        return without if record.objective == "ccl" else project.command("score", "--mc-samples", "20")
    return project.command("score", "--probabilities", "all")


def require_memory(plan: Plan, shapes: Mapping[str, tuple[int, ...]], rows: int) -> None:
    """Refuse a batch whose inputs alone would not fit the machine's memory.

    Raises:
        UsageError: With the number, and the option that helps.
    """
    if not hasattr(os, "sysconf"):
        return  # Windows does not say
    width = sum(math.prod(shapes[name]) for name in plan.row_signals if name in shapes)
    wanted = 4 * width * rows  # float32
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if plan.strategy.kind == "batch" and wanted > _SHARE_OF_MEMORY * there:
        fits = int(_SHARE_OF_MEMORY * there / (4 * width))
        raise UsageError(
            f"{plan.strategy.name} holds {', '.join(plan.row_signals)} of {rows:,} images, "
            f"{wanted / 1e9:.1f} GB; this machine has {there / 1e9:.1f} GB",
            hint=f"--candidates {fits // 2}",
        )
