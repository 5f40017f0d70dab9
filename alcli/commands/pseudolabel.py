"""`alcli pseudolabel`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alcli.commands._call import Call, DryRun
from alcli.errors import Remedy, UsageError

if TYPE_CHECKING:
    from alcli.pseudolabelling import PseudolabelReport, Step


def pseudolabel(
    call: Call,
    *,
    method: Annotated[
        Literal["triplet-margin", "confidence", "entropy"] | None,
        typer.Option(help="What the model must be sure by."),
    ] = None,
    k: Annotated[
        int | None, typer.Option("-k", metavar="N", min=1, help="Label the N surest images.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Label all with probability or margin at least X, or entropy below X nats."
        ),
    ] = None,
    decay: Annotated[
        Literal["linear", "cumulative", "constant"] | None,
        typer.Option(help="entropy: CEAL. X is lowered from round to round; the labels last one round."),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="R", help="--decay: how fast, in nats, such as 0.0033.")
    ] = None,
    per_class: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="At most N of each class, the surest first.")
    ] = None,
    max_distance_quantile: Annotated[
        float | None,
        typer.Option(
            metavar="Q",
            min=0,
            max=1,
            help="triplet-margin: not further out than this share of labelled images.",
        ),
    ] = None,
    min_precision: Annotated[
        float | None,
        typer.Option(metavar="P", min=0, max=1, help="Write nothing below this precision on val."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove earlier pseudo-labels first.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Label what the newest model is sure of; people's labels are never touched."""
    if method is None and not clear:
        much = () if k is not None or threshold is not None else ("--threshold=0.99",)
        raise UsageError("--method is missing", remedies=[Remedy(("--method=confidence", *much))])
    limits = (k, threshold, per_class, max_distance_quantile, min_precision, decay, rate)
    if method is None and any(limit is not None for limit in limits):
        raise UsageError("--method is missing: no other option says what is sure")
    from alcli import pseudolabelling

    rule = method and pseudolabelling.Rule(
        method, k, threshold, per_class, max_distance_quantile, min_precision, decay, rate
    )
    done = pseudolabelling.pseudolabel(call.project, rule or None, clear=clear, dry_run=dry_run)
    call.say("\n".join(_told(done, dry_run=dry_run)) or "there were no pseudo-labels to remove")
    call.result(dry_run=dry_run, **dataclasses.asdict(done))


def _told(done: PseudolabelReport, *, dry_run: bool) -> Iterator[str]:
    """Say in a few lines what was done."""
    would = "would have " if dry_run else ""
    if done.cleared:
        yield f"{would}removed {done.cleared} pseudo-labels"
    if done.step:
        yield _told_step(done.step)
    if done.method and not (done.step and done.step.ended is not None):
        outliers = f", {done.outliers} too far from every class" if done.outliers else ""
        yield f"{would}pseudo-labelled {done.labelled} of {done.candidates} images{outliers}; now {done.total}"
    if done.by_class:
        classes = ", ".join(f"{name} {count}" for name, count in done.by_class.items())
        yield f"by class: {classes}; {done.method} {done.surest:.4g} to {done.least_sure:.4g}"
    if done.precision and done.precision.value is not None:
        yield (
            f"precision on validation: {done.precision.value:.1%} of {done.precision.accepted} accepted "
            f"(95 % interval {done.precision.low:.1%} to {done.precision.high:.1%})"
        )
    elif done.precision:
        yield f"precision on validation: unknown, none of its {done.precision.of} images is accepted"


def _told_step(step: Step) -> str:
    """Say where the schedule stands."""
    if step.ended is not None:
        return f"pseudo-labelling ended at round t = {step.ended}; this is t = {step.t}, nothing is labelled"
    return f"round t = {step.t} of the schedule: entropy below {step.delta:.6g} nats"
