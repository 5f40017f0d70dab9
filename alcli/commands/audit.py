"""`alcli audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alcli.commands import _output
from alcli.commands._call import Call, Seed
from alcli.commands._output import CsvSafe, Format, Output

if TYPE_CHECKING:
    from alcli.auditing import AuditReport


def audit(
    call: Call,
    *,
    method: Annotated[
        Literal["confident-learning", "rad", "rad-voting", "rad-active", "rad-slim"],
        typer.Option("--method", "-m", help="How labels are judged."),
    ] = "confident-learning",
    oracle_budget: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="M", help="Ask about M labels at most; the other doubtful ones are dropped."
        ),
    ] = None,
    include_val: Annotated[
        bool, typer.Option("--include-val", help="Judge the labels of the val split too.")
    ] = False,
    all_: Annotated[bool, typer.Option("--all", help="List the labels that are kept, too.")] = False,
    output: Output = None,
    format_: Format = None,
    csv_safe: CsvSafe = True,
    seed: Seed = 0,
) -> None:
    """List the labels that look wrong, the most suspicious first; nothing is changed."""
    from alcli import auditing

    _output.check(call, ("--output", output), stdout=True, pipes=True)
    written_as = _output.format_of(output, format_)
    _output.keep_answers(call, "--output", output)
    report = auditing.audit(
        call.project,
        method,
        budget=oracle_budget,
        include_val=include_val,
        everything=all_,
        csv_safe=csv_safe,
        seed=seed,
    )
    _speak(call, report)
    if output:
        _output.deliver(report.table, output, written_as, csv_safe=csv_safe)
    elif not call.json:
        typer.echo(report.path)


def _speak(call: Call, report: AuditReport) -> None:
    """Say what was found."""
    found = ", ".join(
        f"{count} to {what}" for what, count in report.decisions.items() if count and what != "keep"
    )
    call.say(
        f"{report.suspects} of {report.labels} labels are suspects by {report.method}"
        + (f": {found}" if found else "")
        + f"; C was model {report.model} for {report.network} of them, the nearest labelled images for the others"
    )
    for line in report.errors.told():
        call.say(line)
    summary = {name: value for name, value in vars(report).items() if name not in ("table", "errors")}
    call.result(**{**summary, "path": str(report.path), "errors": report.errors.to_dict()})
