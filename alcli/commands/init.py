"""`alcli init`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alcli.commands._call import Call, DryRun, Seed

if TYPE_CHECKING:
    from alcli.intake import Report


def init(
    call: Call,
    *,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labels: CSV, TSV, JSONL or Parquet, not folders.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of a text file, such as cp1252; UTF-8 by default.")
    ] = None,
    unlabelled: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A folder without labels. Repeatable.")
    ] = None,
    test: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder of test images.")] = None,
    val_fraction: Annotated[
        float | None,
        typer.Option(min=0, max=0.9, help="Share of the labelled to validate on; 2 %, at least 100."),
    ] = None,
    seed: Seed = 0,
    dry_run: DryRun = False,
) -> None:
    """Find the images, read their labels, and write the manifest; again: take in what is new."""
    from alcli import intake

    request = intake.Request(labels, encoding, tuple(unlabelled or ()), test, val_fraction, seed)
    report = intake.take_in(call.project, request, dry_run=dry_run)
    call.say(_told(report, dry_run=dry_run))
    call.result(dry_run=dry_run, changed=report.changed, **dataclasses.asdict(report))


def _told(report: Report, *, dry_run: bool) -> str:
    """Say in one line what there is, and what changed."""
    splits = ", ".join(f"{count} {name}" for name, count in report.splits.items() if count)
    told = [f"{report.images} images ({splits})", f"{report.labelled} labelled"]
    told.append(f"{len(report.classes)} classes")
    if not report.first:
        changes = dataclasses.asdict(report.changes)
        told += [f"{count} {name}" for name, count in changes.items() if count] or ["nothing changed"]
    if report.drawn:
        told.append(f"{report.drawn} drawn for validation")
    if report.others:
        told.append(f"{report.others} other files passed over")
    if report.left_out:
        told.append(f"{report.left_out} left out")
    return ("would write: " if dry_run and report.changed else "") + "; ".join(told)
