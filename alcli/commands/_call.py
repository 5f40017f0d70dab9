"""What all commands share: the pool, the settings and where they come from, and how results are told.

A command is a function `verb(call, *, options)`. `as_command` adds the shared options to its signature, fills
options that the command line and the environment leave open from `config.toml`, and hands it a `Call`.
"""

from __future__ import annotations

import functools
import inspect
import json
import logging
import tomllib
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from alcli import console
from alcli.commands import _again
from alcli.errors import AlcliError, UsageError
from alcli.progress import Progress
from alcli.project import Project

logger = logging.getLogger("alcli")

PoolPath = Annotated[Path, typer.Argument(metavar="[POOL]", help="The image folder.", show_default=".")]
StatePath = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="Keep alcli's files here, not in POOL.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More detail.")]
Json = Annotated[bool, typer.Option("--json", help="A summary as JSON on standard output.")]

# Options that several commands take, each declared once.
Seed = Annotated[int, typer.Option("--seed", min=0, help="Drives every random choice.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
Workers = Annotated[int | None, typer.Option("--workers", min=0, help="Decoding processes; one per core.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be done; write nothing.")]
MaxBad = Annotated[int | None, typer.Option("--max-bad", min=0, help="Fail if more images are unreadable.")]

_SHARED: dict[str, tuple[Any, Any]] = {
    "pool": (PoolPath, Path()),
    "state": (StatePath, None),
    "quiet": (Quiet, False),
    "verbose": (Verbose, False),
    "json_": (Json, False),
}
_NEVER_SET = {"state", "json_"}  # what a file cannot know, and what scripts must be able to rely on
_COMMON = {
    "state",
    "quiet",
    "verbose",
    "json",
    "seed",
    "device",
    "workers",
}  # ALCLI_SEED, not ALCLI_TRAIN_SEED


@dataclass
class Call:
    """One run of a command.

    Attributes:
        project: The pool.
        verb: The command's name.
        json: Whether a summary is wanted on standard output.
        progress: Draws how far a long step is.
    """

    project: Project
    verb: str
    json: bool = False
    progress: Progress = field(default=console.progress)

    def say(self, message: str) -> None:
        """Tell people something, unless they asked for quiet."""
        logger.info("%s", message)

    def result(self, **summary: Any) -> None:
        """Give the summary to programs, if they asked for it."""
        if self.json:
            text = json.dumps({"schema": f"alcli/{self.verb}/1", **summary}, ensure_ascii=False)
            typer.echo(text.encode(errors="backslashreplace"))  # a file name need not be UTF-8


def as_command(function: Callable[..., None]) -> Callable[..., None]:
    """Return the function that Typer registers for a command."""
    verb = function.__name__.strip("_").replace("_", "-")
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, (kind, default) in _SHARED.items()
    ]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    arguments = [parameter for parameter in own if _is_argument(parameter)]  # they come before POOL
    options = [parameter for parameter in own if parameter not in arguments]
    parameters = [_with_environment(p, verb) for p in [*arguments, shared[0], *options, *shared[1:]]]

    @functools.wraps(function)
    def command(*, context: typer.Context, **given: Any) -> None:
        console.listen(quiet=given["quiet"], verbose=given["verbose"])
        project = Project.open(given["pool"], given["state"])
        settings = _settings(context, project, verb, parameters)
        values = {
            name: settings.get(name, value) if _is_default(context, name) else value
            for name, value in given.items()
        }
        console.listen(quiet=values.pop("quiet"), verbose=values.pop("verbose"))
        call = Call(project, verb, json=values.pop("json_"))
        try:
            function(call, **{name: value for name, value in values.items() if name not in _SHARED})
        except AlcliError as failure:
            failure.offer(functools.partial(_again.command_line, context))
            raise

    signature = inspect.Signature([context, *parameters])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {
        parameter.name: parameter.annotation for parameter in signature.parameters.values()
    }
    return command


def _with_environment(parameter: inspect.Parameter, verb: str) -> inspect.Parameter:
    """Give an option its environment variable: ALCLI_SEED, or ALCLI_SELECT_STRATEGY for a command's own."""
    kind, *notes = typing.get_args(parameter.annotation)
    name = parameter.name.strip("_")
    prefix = "ALCLI" if name in _COMMON else f"ALCLI_{verb.replace('-', '_').upper()}"
    for note in notes:
        if type(note).__name__ == "OptionInfo" and not note.envvar:
            copy = type(note)(**{**vars(note), "envvar": f"{prefix}_{name.upper()}", "show_envvar": False})
            return parameter.replace(annotation=Annotated[kind, copy])
    return parameter


def _is_argument(parameter: inspect.Parameter) -> bool:
    return any(type(note).__name__ == "ArgumentInfo" for note in typing.get_args(parameter.annotation))


def _is_default(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is None or source.name == "DEFAULT"


def _config(project: Project) -> dict[str, Any]:
    """Return the content of `config.toml`; empty if there is none.

    Raises:
        UsageError: The file is not TOML, or nested too deep.
    """
    try:
        return tomllib.loads(project.config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else error
        raise UsageError(f"{project.config} cannot be read as TOML: {why}") from error


def _refuse_unknown(project: Project, config: dict[str, Any], commands: list[str]) -> None:
    """Check the names outside the sections, and those of the sections; each command checks its own section.

    Raises:
        UsageError: A setting is not one that all commands share, or a section is not named as a command is.
    """
    settable = sorted(_COMMON - {name.strip("_") for name in _NEVER_SET})
    sections = [name for name, value in config.items() if isinstance(value, dict)]
    if unknown := sorted(config.keys() - {*sections, *settable}):
        raise UsageError(
            f"{project.config}: unknown setting {', '.join(unknown)}",
            hint=f"outside a [command] section only {', '.join(settable)} may stand",
        )
    if unknown := sorted({*sections} - {*commands}):
        raise UsageError(
            f"{project.config}: unknown section [{'], ['.join(unknown)}]",
            hint=f"a section is named as a command is: {', '.join(commands)}",
        )


def _settings(
    context: typer.Context, project: Project, verb: str, parameters: list[inspect.Parameter]
) -> dict[str, Any]:
    """Read what `config.toml` says for this command.

    Raises:
        UsageError: The file is not TOML, a section or a key is unknown, or a value has the wrong type.
    """
    config = _config(project)
    if not config:  # as `init` leaves it: pydantic need not be imported
        return {}
    import pydantic

    _refuse_unknown(project, config, sorted(getattr(context.find_root().command, "commands", ())))
    known = {p.name.strip("_"): p for p in parameters if p.name not in _NEVER_SET and not _is_argument(p)}
    fields = {name: (typing.get_args(p.annotation)[0], p.default) for name, p in known.items()}
    shape: Any = pydantic.create_model(
        "Settings", __config__={"extra": "forbid", "coerce_numbers_to_str": True}, **fields
    )  # type: ignore[call-overload]
    general = {name: value for name, value in config.items() if name in known and name in _COMMON}
    said = {**general, **config.get(verb, {})}
    try:
        checked = shape(**said)
    except pydantic.ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise UsageError(f"{project.config}, section [{verb}]", details=problems) from error
    return {known[name].name: getattr(checked, name) for name in said}
