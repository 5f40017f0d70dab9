"""The program: its subcommands, and the one place where a failure becomes an exit code."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from alcli import __version__, console
from alcli.commands._call import as_command
from alcli.commands.audit import audit
from alcli.commands.demo import demo
from alcli.commands.import_labels import import_labels
from alcli.commands.init import init
from alcli.commands.pseudolabel import pseudolabel
from alcli.commands.report import report
from alcli.commands.score import score
from alcli.commands.select import select
from alcli.commands.simulate import simulate
from alcli.commands.status import status
from alcli.commands.train import train
from alcli.commands.undo import undo
from alcli.errors import AlcliError

CLOSED_PIPE = 141


class _Group(TyperGroup):
    def main(self, *args: Any, **settings: Any) -> Any:
        try:
            return super().main(*args, **settings)
        except AlcliError as failure:
            console.error(failure)
            sys.exit(failure.exit_code)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever read our output has what they wanted
            console.discard(sys.stdout.fileno())
            raise typer.Exit(CLOSED_PIPE) from None


app = typer.Typer(
    name="alcli",
    cls=_Group,
    help="Which images to label next: active learning from the command line.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"alcli {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


# The commands, in the order in which a newcomer meets them.
app.command("init")(as_command(init))
app.command("train")(as_command(train))
app.command("score")(as_command(score))
app.command("select")(as_command(select))
app.command("import-labels")(as_command(import_labels))
app.command("audit")(as_command(audit))
app.command("pseudolabel")(as_command(pseudolabel))
app.command("status")(as_command(status))
app.command("report")(as_command(report))
app.command("undo")(as_command(undo))
app.command("simulate")(as_command(simulate))
app.command("demo")(demo)


def run() -> None:
    """Run the program; the console script of the package."""
    gc.set_threshold(100_000, 20, 50)  # commands make millions of objects and hardly a cycle
    # Decoding and the network share the cores: threads that spin while they wait take them from the other.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    console.guard_streams()
    app()
