"""`alcli select`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alcli.commands import _output
from alcli.commands._call import Call, Device, DryRun, Seed, Workers
from alcli.commands._output import CsvSafe, Format, Output

if TYPE_CHECKING:
    from alcli.selection import Explanation, SelectionReport


def select(
    call: Call,
    *,
    strategy: Annotated[
        str,
        typer.Option("--strategy", "-s", help="How to rank; --list shows all, auto takes what fits."),
    ] = "margin",
    k: Annotated[
        str, typer.Option("-k", metavar="N|P%", help="Images to select, or a share of the pool.")
    ] = "100",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-O", metavar="KEY=VALUE", help="The strategy's own; repeatable."),
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="uncertain or confident, where a strategy has both.")
    ] = None,
    stochastic: Annotated[
        str | None, typer.Option(metavar="power|softmax|softrank", help="Draw by score, for variety.")
    ] = None,
    beta: Annotated[
        float, typer.Option(help="With --stochastic: how closely the draw follows the scores.")
    ] = 1.0,
    per_class: Annotated[
        int | None, typer.Option(metavar="N", help="At most N of each predicted class.")
    ] = None,
    class_balance: Annotated[
        bool, typer.Option("--class-balance", help="Even out the classes, by what the model predicts.")
    ] = False,
    dedup: Annotated[
        bool, typer.Option("--dedup", help="One image of each group of duplicates, exact or near.")
    ] = False,
    dedup_threshold: Annotated[
        float | None,
        typer.Option(
            metavar="COSINE",
            help="From which embeddings count as duplicates; without it 0.97, where that tells them.",
        ),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(metavar="N", help="Consider N images only: the least sure, or drawn at random."),
    ] = None,
    audit: Annotated[
        str,
        typer.Option(metavar="P%", help="This share is drawn at random, to estimate accuracy without bias."),
    ] = "0%",
    blind: Annotated[bool, typer.Option("--blind", help="Leave the model's guesses out.")] = False,
    gold: Annotated[
        str,
        typer.Option(metavar="P%", help="Send this share besides of images whose label is known, as a test."),
    ] = "0%",
    relabel: Annotated[
        bool, typer.Option("--relabel", help="Rank labelled images too, for another label (activelab).")
    ] = False,
    add: Annotated[bool, typer.Option("--add", help="Select a further batch while a round is open.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Withdraw what is out and select anew.")] = False,
    output: Output = None,
    format_: Format = None,
    csv_safe: CsvSafe = True,
    explain: Annotated[
        str | None,
        typer.Option(metavar="FILE_NAME", help="Say why this image is selected or not; write nothing."),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Show every strategy: what it needs and costs.")
    ] = False,
    dry_run: DryRun = False,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = None,
) -> None:
    """Rank the pool and record the images to label next as a round."""
    if list_:
        _show_strategies(call)
        return
    from alcli import parameters, selection
    from alcli.request import Request

    _output.check(call, ("--output", output), stdout=True, pipes=True)
    written_as = _output.format_of(output, format_)
    options = parameters.pairs(option or [], hint="alcli select --list shows each strategy's own")
    request = Request(
        strategy=strategy,
        k=k,
        options=options,
        seed=seed,
        order=order,
        stochastic=stochastic,
        beta=beta,
        per_class=per_class,
        class_balance=class_balance,
        dedup=dedup,
        dedup_threshold=dedup_threshold,
        candidates=candidates,
        audit=audit,
        blind=blind,
        gold=gold,
        relabel=relabel,
    )
    settings = selection.Settings(add, replace, csv_safe, dry_run, device, workers)
    if explain is not None:
        _show_explanation(call, selection.explain(call.project, request, explain, settings=settings))
        return
    if not dry_run:
        _output.keep_answers(call, "--output", output)
    report = selection.select(call.project, request, settings=settings, progress=call.progress)
    _speak(call, report, relabel=relabel, dry_run=dry_run)
    if output and (not dry_run or _output.is_stdout(output)):
        _output.deliver(report.table, output, written_as, csv_safe=csv_safe)
    elif not (output or dry_run or call.json):
        typer.echo(report.path)


def _speak(call: Call, report: SelectionReport, *, relabel: bool, dry_run: bool) -> None:
    """Say what was selected."""
    order = f", most {report.order} first" if report.order else ""
    audit = f", {report.audit} of them drawn at random for the audit" if report.audit else ""
    again = f", {report.again} of them to be labelled again" if report.again else ""
    gold = f", and {report.gold} gold rows at random ranks" if report.gold else ""
    of = f"{report.queryable} {'images' if relabel else 'queryable images'}"
    what = f"{report.images} of {of} by {report.strategy}{order}{audit}{again}{gold}"
    withdrawn = f"; {report.withdrawn} images that were out are withdrawn" if report.withdrawn else ""
    if report.because:
        call.say(f"auto chose {report.strategy}: {report.because}")
    if report.repeated:
        call.say(f"round {report.round} is open, this is its selection: {what}")
    else:
        call.say(f"round {report.round}{' would be' if dry_run else ''}: {what}{withdrawn}")
    if report.stepped_back:
        call.say(f"{report.stepped_back} images were passed over as duplicates of others")
    if report.expired:
        would = "would go" if dry_run else "went"
        call.say(f"{report.expired} pseudo-labels of CEAL {would} back to the pool: they last one round")
    for note in report.approximations:
        call.say(f"approximation: {note}")
    summary = {field.name: getattr(report, field.name) for field in dataclasses.fields(report)}
    del summary["table"]
    call.result(**{**summary, "path": str(report.path), "dry_run": dry_run})


def _show_explanation(call: Call, found: Explanation) -> None:
    """Say why an image is selected or not: the answer is data, so it goes to standard output."""
    if call.json:
        call.result(**dataclasses.asdict(found))
        return
    verb = "is" if found.selected else "is not"
    where = f"round {found.round}" if found.round else "what would be selected now"
    lines = [f"{found.file_name} {verb} in {where} by {found.strategy}: {found.why}"]
    if found.score is not None:
        cut = "" if found.cut is None else f"; the lowest score selected is {found.cut:.4g}"
        lines.append(f"rank {found.rank} of {found.of}, score {found.score:.4g}{cut}")
    for what, other in (("selected", found.nearest_selected), ("labelled", found.nearest_labelled)):
        if other:
            lines.append(f"nearest {what} image: {other.file_name}, distance {other.distance:.4g}")
    typer.echo("\n".join(lines))


def _show_strategies(call: Call) -> None:
    """Show every strategy on standard output, a paragraph each."""
    from alcli import ranking

    described = [_described(name) for name in ranking.strategies()]
    if call.json:
        call.result(strategies=described)
        return
    call.say(
        "n images, k to select, l labelled; c classes, m dropout passes, embeddings d and t wide; memory in bytes"
    )
    for entry in described:
        typer.echo(f"{entry['name']}: {entry['summary']}")
        options = ", ".join(f"{name}={value}" for name, value in entry["options"].items())
        for what in ("needs", "reads", "cost", "memory", "options", "source"):
            text = {**entry, "reads": f"{entry['reads']} bytes of each image", "options": options}[what]
            if text:
                typer.echo(f"    {what:8} {text}")


def _described(name: str) -> dict[str, Any]:
    from alcli import ranking

    strategy = ranking.find(name)
    return {
        "name": strategy.name,
        "needs": strategy.needs,
        "cost": strategy.cost,
        "reads": strategy.reads,
        "memory": strategy.keeps,
        "options": {option.name: option.default for option in strategy.options.values()},
        "summary": strategy.summary,
        "source": strategy.paper,
    }
