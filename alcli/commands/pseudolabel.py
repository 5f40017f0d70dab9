"""`alcli pseudolabel`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alcli.commands._call import Call, DryRun
from alcli.errors import UsageError

if TYPE_CHECKING:
    from alcli.pseudolabelling import PseudolabelReport


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
    per_class: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="At most N of each class.")
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
        raise UsageError(
            "--method is missing",
            hint=call.project.command("pseudolabel", "--method confidence --threshold 0.99"),
        )
    if method is None and (k is not None or threshold is not None):
        raise UsageError("--method is missing: -k and --threshold do not say what is sure")
    from alcli import pseudolabelling

    rule = method and pseudolabelling.Rule(
        method, k, threshold, per_class, max_distance_quantile, min_precision
    )
    done = pseudolabelling.pseudolabel(call.project, rule or None, clear=clear, dry_run=dry_run)
    call.say(_told(done, dry_run=dry_run))
    call.result(dry_run=dry_run, **dataclasses.asdict(done))


def _told(done: PseudolabelReport, *, dry_run: bool) -> str:
    """Say in a few lines what was done."""
    lines = []
    would = "would have " if dry_run else ""
    if done.cleared:
        lines.append(f"{would}removed {done.cleared} pseudo-labels")
    if done.method:
        classes = ", ".join(f"{name} {count}" for name, count in done.by_class.items())
        outliers = f", {done.outliers} too far from every class" if done.outliers else ""
        lines.append(
            f"{would}pseudo-labelled {done.labelled} of {done.candidates} images{outliers}; now {done.total}"
        )
        lines += (
            [f"by class: {classes}; {done.method} {done.surest:.4g} to {done.least_sure:.4g}"]
            if classes
            else []
        )
    if done.precision and done.precision.value is not None:
        lines.append(
            f"precision on validation: {done.precision.value:.1%} of {done.precision.accepted} accepted "
            f"(95 % interval {done.precision.low:.1%} to {done.precision.high:.1%})"
        )
    elif done.precision:
        lines.append(f"precision on validation: unknown, none of its {done.precision.of} images is accepted")
    return "\n".join(lines or ["there were no pseudo-labels to remove"])
