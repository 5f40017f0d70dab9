"""`alcli report`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from alcli.commands import _output
from alcli.commands._call import Call, Seed, Workers


def report(
    call: Call,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The page, an HTML file.")
    ] = Path("report.html"),
    compare: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Draw the ranks of two strategies against each other."),
    ] = None,
    max_cards: Annotated[
        int, typer.Option(min=0, metavar="N", help="Images on the contact sheet, at most.")
    ] = 5_000,
    map_: Annotated[
        str, typer.Option("--map", metavar="tsne|pca|none", help="How embeddings are brought to the plane.")
    ] = "tsne",
    map_picture: Annotated[
        Path | None, typer.Option(metavar="FILE.png|svg|pdf", help="Draw the map for a paper, too.")
    ] = None,
    seed: Seed = 0,
    workers: Workers = None,
) -> None:
    """Write one HTML page: rounds, classes, the selection with its images, a map, the confusion matrix."""
    call.project.require_manifest()
    _output.check(call, ("--output", output), ("--map-picture", map_picture))
    from alcli import reporting

    names = None if compare is None else reporting.two_names(compare)
    options = reporting.Options(
        compare=names, max_cards=max_cards, map=map_, map_picture=map_picture, seed=seed, workers=workers
    )
    summary = reporting.report(call.project, output, options, progress=call.progress)
    more = f", {summary.omitted:,} more are left out" if summary.omitted else ""
    call.say(
        f"{summary.rounds} rounds, {summary.cards:,} images on the contact sheet{more}, "
        f"{summary.points:,} on the map: {summary.bytes / 2**20:.1f} MiB"
    )
    call.result(**{**dataclasses.asdict(summary), "path": str(summary.path)})
    if not call.json:
        typer.echo(summary.path)
