"""`alcli import-labels`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alcli.commands._call import Call, DryRun

if TYPE_CHECKING:
    from alcli.labelling import ImportReport


def import_labels(
    call: Call,
    *,
    labels: Annotated[Path, typer.Argument(metavar="LABELS", help="The file that came back.")],
    format_: Annotated[
        Literal["csv", "tsv", "jsonl", "parquet"] | None,
        typer.Option("--format", help="Default: by content and extension."),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of a text file, such as cp1252; UTF-8 by default.")
    ] = None,
    strip_prefix: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD[=NEW]", help="Take OLD off the front of paths and URLs. Repeatable."),
    ] = None,
    match: Annotated[
        Literal["path", "basename"],
        typer.Option(help="basename: also by bare file name, where it is unique."),
    ] = "path",
    new_classes: Annotated[
        bool, typer.Option("--new-classes", help="Unknown labels become classes.")
    ] = False,
    on_conflict: Annotated[
        Literal["error", "keep", "replace"], typer.Option(help="Where a person gave another label before.")
    ] = "error",
    resolve: Annotated[
        Literal["error", "majority", "latest"], typer.Option(help="Where annotators disagree.")
    ] = "error",
    annotator: Annotated[str | None, typer.Option(help="Who answered the rows that name nobody.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write every problem here, .csv or .jsonl.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Take the labels back: all rows of the file, or none."""
    from alcli import labelling

    done = labelling.import_labels(
        call.project,
        labels,
        rules=labelling.Rules(
            strip_prefix or (), match == "basename", new_classes, on_conflict, resolve, annotator
        ),
        kind=format_,
        encoding=encoding,
        report=report,
        dry_run=dry_run,
    )
    call.say(_told(done, dry_run=dry_run))
    call.result(file=str(labels), dry_run=dry_run, **vars(done))


def _told(done: ImportReport, *, dry_run: bool) -> str:
    """Say in one line what was done."""
    counts = {
        "replaced": done.replaced,
        "kept their other label": done.kept,
        "had this label already": done.unchanged,
        "declined": done.skipped,
        "not answered": done.unanswered,
        "in val or test": done.held_out,
        "never sent out": done.unsent,
    }
    told = [f"{'would label' if dry_run else 'labelled'} {done.labelled} images"]
    told += [f"{count} {what}" for what, count in counts.items() if count]
    for number in sorted({*done.by_round, *done.still_out}):
        told.append(
            f"round {number}: {done.by_round.get(number, 0)} back, {done.still_out.get(number, 0)} out"
        )
    if done.new_classes:
        told.append(f"new classes: {', '.join(done.new_classes)}")
    return "; ".join(told if done.changed else ["nothing changed", *told[1:]])
