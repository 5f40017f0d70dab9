"""`alcli demo`."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from alcli import console
from alcli.commands._call import Call, Json, Quiet, Seed, Verbose
from alcli.project import Project


def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put the images and the state.")] = Path(
        "alcli-demo"
    ),
    *,
    seed: Seed = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json_: Json = False,
) -> None:
    """Run the whole loop on scikit-learn's handwritten digits, and leave the folder to play with."""
    console.listen(quiet=quiet, verbose=verbose)
    from alcli import demonstration

    began = time.monotonic()
    shown = demonstration.demonstrate(folder, seed=seed, progress=console.progress)
    call = Call(Project.open(shown.pool), "demo", json=json_)
    active, at_random = (shown.lines[name] for name in demonstration.STRATEGIES)
    if not quiet:
        console.table(
            "Test accuracy on 500 digits, labels chosen by margin beside labels chosen at random",
            ["round", "labels", "pseudo-labels", "of them right", "accuracy", "at random"],
            [
                [
                    "start" if one.round == 0 else str(one.round),
                    str(one.labels),
                    str(one.pseudo_labels),
                    "–" if one.precision is None else f"{one.precision:.1%}",
                    f"{one.accuracy:.1%}",
                    f"{other.accuracy:.1%}",
                ]
                for one, other in zip(active, at_random, strict=True)
            ],
        )
    pool = shlex.quote(str(shown.pool))
    call.say(f"{time.monotonic() - began:.0f} s. The images are yours to play with; try next:")
    call.say(f"  alcli status {pool}")
    call.say(f"  alcli score {pool} && alcli select --strategy entropy -k 20 {pool}")
    call.say(f"  alcli import-labels {shlex.quote(str(shown.answers))} {pool}")
    call.result(
        pool=str(shown.pool),
        answers=str(shown.answers),
        lines={name: [vars(line) for line in lines] for name, lines in shown.lines.items()},
    )
    if not json_:
        typer.echo(shown.pool)
