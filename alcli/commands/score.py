"""`alcli score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alcli.commands._call import Call, Device, DryRun, MaxBad, Seed, Workers
from alcli.errors import UsageError


def score(
    call: Call,
    *,
    mc_samples: Annotated[
        int | None,
        typer.Option(min=0, help="Monte-Carlo dropout passes, for bald and its kin; default as before."),
    ] = None,
    probabilities: Annotated[
        str | None,
        typer.Option(metavar="all|top:M", help="How many probabilities to keep; default as before."),
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Your own model's outputs, a Parquet file.")
    ] = None,
    classes: Annotated[str | None, typer.Option(help="With --from: the order of its classes, a,b,c.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, max=16384, help="Images per forward pass.")] = None,
    workers: Workers = None,
    device: Device = "auto",
    seed: Seed = 0,
    max_bad: MaxBad = None,
    dry_run: DryRun = False,
) -> None:
    """Run the newest model over every readable image and save its signals; stop and resume as you like."""
    call.project.require_manifest()
    if from_ and dry_run:
        raise UsageError(
            "--dry-run cannot go with --from: a file is checked as it is taken in, all of it or none"
        )
    if from_:
        from alcli import external

        taken = external.take_in(call.project, from_, classes=classes.split(",") if classes else None)
        call.say(f"model {taken.model}: took in {', '.join(taken.signals)} of {taken.images} images")
        call.result(**vars(taken))
        return
    from alcli import models, scoring

    report = scoring.score(
        call.project,
        models.newest(call.project),
        settings=scoring.Settings(mc_samples, _top(probabilities), seed),
        device=device,
        batch_size=batch_size,
        workers=workers,
        max_bad=max_bad,
        dry_run=dry_run,
        progress=call.progress,
    )
    if dry_run:
        call.say(f"model {report.model}: would score {report.scored} images; {report.reused} are up to date")
        call.result(**vars(report), dry_run=True)
        return
    rate = f", {report.scored / report.seconds:.0f} images/s" if report.scored else ""
    call.say(
        f"model {report.model}: scored {report.scored} images, {report.reused} were up to date, "
        f"{report.unreadable} unreadable ({report.seconds:.1f} s{rate})"
    )
    call.result(**vars(report))


def _top(probabilities: str | None) -> int | None:
    """Read `all` as 0 and `top:M` as M."""
    if probabilities is None:
        return None
    number = probabilities.removeprefix("top:")
    if probabilities == "all":
        return 0
    if probabilities.startswith("top:") and number.isdecimal() and int(number) > 0:
        return int(number)
    raise UsageError(f"--probabilities {probabilities}: expected all or top:M with M at least 1")
