"""`alcli import-labels`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from alcli.commands import _output
from alcli.commands._call import Call
from alcli.errors import Remedy, UsageError

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
        Literal["error", "majority", "latest", "crowdlab"],
        typer.Option(help="Where annotators disagree; crowdlab weighs them and the newest model."),
    ] = "error",
    annotator: Annotated[str | None, typer.Option(help="Who answered the rows that name nobody.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write every problem here, .csv or .jsonl.")] = None,
    check: Annotated[
        Literal["confident-learning", "rad", "rad-voting", "rad-active", "rad-slim"] | None,
        typer.Option(help="Judge the labels before they are taken, by models that have not seen them."),
    ] = None,
    max_error: Annotated[
        str | None,
        typer.Option(metavar="P%", help="With --check: refuse the file if more than this share is wrong."),
    ] = None,
    quality_report: Annotated[
        Path | None, typer.Option(help="With --check: write what was found here, as JSON.")
    ] = None,
    relabel_list: Annotated[
        Path | None, typer.Option(help="With --check: write the images to label again here.")
    ] = None,
    oracle_budget: Annotated[
        int | None, typer.Option(min=0, metavar="M", help="With --check: ask about M labels at most.")
    ] = None,
    drop_suspects: Annotated[
        bool, typer.Option("--drop-suspects", help="With --check: leave out the labels that are in doubt.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", "-n", help="Say what would be done; write no more than the reports asked for."
        ),
    ] = False,
) -> None:
    """Take the labels back: all rows of the file, or none."""
    from alcli import labelling

    asked: dict[str, Any] = {
        "budget": oracle_budget,
        "max_error": max_error,
        "drop_suspects": drop_suspects,
        "report": quality_report,
        "relabel_list": relabel_list,
    }
    _check_asked(check, asked)
    _output.check(
        call,
        ("--report", report),
        ("--quality-report", quality_report),
        ("--relabel-list", relabel_list),
        inputs=[("LABELS", labels)],
        pipes=True,
    )
    _output.keep_answers(call, "--relabel-list", relabel_list)
    done = labelling.import_labels(
        call.project,
        labels,
        rules=labelling.Rules(
            strip_prefix or (), match == "basename", new_classes, on_conflict, resolve, annotator
        ),
        kind=format_,
        encoding=encoding,
        report=report,
        check=labelling.Check(check, **asked) if check else None,
        dry_run=dry_run,
    )
    call.say(_told(done, dry_run=dry_run))
    for line in (
        *([done.consensus] if done.consensus else ()),
        *(done.quality.told() if done.quality else _agreement(done)),
    ):
        call.say(line)
    call.result(
        file=str(labels),
        dry_run=dry_run,
        **{
            **vars(done),
            "gold": [dataclasses.asdict(found) for found in done.gold],
            "quality": done.quality.to_dict() if done.quality else None,
        },
    )


def _check_asked(check: str | None, asked: dict[str, Any]) -> None:
    """Refuse options of a check where there is none."""
    names = {"budget": "--oracle-budget", "report": "--quality-report"}
    for name, value in asked.items():
        option = names.get(name, f"--{name.replace('_', '-')}")
        if not check and value is not None and value is not False:
            raise UsageError(
                f"{option} goes with --check METHOD", remedies=[Remedy(("--check=confident-learning",))]
            )


def _agreement(done: ImportReport) -> Iterator[str]:
    """Say how often each annotator gave the label of gold rows that was known."""
    for found in done.gold:
        name = found.annotator or "nobody in particular"
        share = f"{found.share:.1%}, 95 % interval {found.low:.1%} to {found.high:.1%}"
        yield f"gold rows: {name} gave the known label {found.right} of {found.n} times: {share}"


def _told(done: ImportReport, *, dry_run: bool) -> str:
    """Say in one line what was done."""
    counts = {
        "replaced": done.replaced,
        "kept their other label": done.kept,
        "had this label already": done.unchanged,
        "declined": done.skipped,
        "not answered": done.unanswered,
        "in val or test": done.held_out,
        "not asked for": done.unsent,
    }
    told = [f"{'would label' if dry_run else 'labelled'} {done.labelled} images"]
    told += [f"{count} {what}" for what, count in counts.items() if count]
    for number in sorted({*done.by_round, *done.still_out}):
        told.append(
            f"round {number}: {done.by_round.get(number, 0)} came back, {done.still_out.get(number, 0)} still out"
        )
    if done.new_classes:
        told.append(f"new classes: {', '.join(done.new_classes)}")
    return "; ".join(told if done.changed else ["nothing changed", *told[1:]])
