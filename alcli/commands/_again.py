"""The command that was given, once more and with other options: what a hint offers to paste."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import typer


def command_line(context: typer.Context, options: Sequence[str]) -> str:
    """Return the command line of a call with all that was given, and `options` besides.

    What `config.toml` says is not repeated, as it holds for the next call too; what a variable says of the environment
    of this call is.

    Args:
        context: The call's.
        options: Such as `--resolve=latest`; what was given under these names is left out.
    """
    names = {option.partition("=")[0] for option in options}
    given: list[str] = []
    arguments: list[str] = []
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if parameter.param_type_name == "argument":
            arguments.append(str(value))
        elif _was_given(context, parameter) and names.isdisjoint(parameter.opts):
            given += _spelled(parameter, value)
    return shlex.join(["alcli", str(context.info_name), *given, *options, *arguments])


def _was_given(context: typer.Context, parameter: Any) -> bool:
    source = context.get_parameter_source(parameter.name)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")


def _spelled(option: Any, value: Any) -> Iterator[str]:
    """Yield an option with its value as on a command line, as often as it was given."""
    name = max(option.opts, key=len)
    if option.is_flag:
        yield from [name] if value else option.secondary_opts[:1]
        return
    for one in value if option.multiple else [value]:
        yield from [f"{name}={one}"] if name.startswith("--") else [name, str(one)]
