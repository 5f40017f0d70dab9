"""The options that a function declares: keyword-only parameters with a default, checked by their annotations.

Strategies, losses and objectives get theirs from `--option key=value` in this way.
"""

from __future__ import annotations

import inspect
import keyword
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from alcli import plugins
from alcli.errors import UsageError

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Range:
    """The values that a number may take, ends included: `radius: Annotated[float, Range(0, 2)] = 0.5`."""

    low: float
    high: float


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: The parameter's name.
        kind: bool, int, float or str; of a choice, the type of its values.
        default: What it is if nobody says.
        choices: The legal values, if they are listed.
        bounds: The legal values of a number, if they are limited.
    """

    name: str
    kind: type
    default: Any
    choices: tuple[Any, ...] = ()
    bounds: Range | None = None

    def convert(self, value: Any) -> Any:
        """Return `value`, which may be a string from the command line, as this option's type.

        Raises:
            UsageError: It is not of the type, not among the choices or out of range; the message says which
                are legal.
        """
        converted = self._parse(value)
        legal = converted is not None and (not self.choices or converted in self.choices)
        if legal and self.bounds:
            legal = self.bounds.low <= converted <= self.bounds.high
        if not legal:
            raise UsageError(f"{self.name} is {value!r}; {self._expectation()}")
        return converted

    def _parse(self, value: Any) -> Any:
        """Return the value as `kind`, or None if it cannot be."""
        if self.kind is bool:
            return _BOOLEANS.get(str(value).lower())
        if self.kind is str:
            return str(value)
        try:
            number = self.kind(value)
        except (TypeError, ValueError):
            return None
        exact = (
            not isinstance(value, bool)
            and math.isfinite(number)
            and (isinstance(value, str) or number == value)
        )
        return number if exact else None

    def _expectation(self) -> str:
        if self.choices:
            return f"it must be {' or '.join(map(str, self.choices))}"
        kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        limits = f" from {self.bounds.low:g} to {self.bounds.high:g}" if self.bounds else ""
        return f"it must be {kinds[self.kind]}{limits}"


def of(function: Callable[..., Any]) -> dict[str, Option]:
    """Return the options that the signature of a function, or of a class, declares."""
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    return {
        p.name: _option(p.name, hints[p.name], p.default)
        for p in parameters
        if p.kind is p.KEYWORD_ONLY and p.default is not p.empty
    }


def settle(owner: str, options: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every option: the given one, converted, or the default.

    Args:
        owner: Whose options they are, for messages.
        options: By name, as `of` returns them.
        given: Values by name, strings from the command line among them; `lambda` is the parameter `lambda_`.

    Raises:
        UsageError: An option is unknown, or its value is not legal.
    """
    given = {f"{name}_" if keyword.iskeyword(name) else name: value for name, value in given.items()}
    for name in given:
        if name not in options:
            known = [option.rstrip("_") for option in options]
            hint = f"it has {', '.join(known)}" if known else "it has none"
            raise UsageError(plugins.unknown(f"option of {owner}", name.rstrip("_"), known), hint=hint)
    return {name: o.convert(given[name]) if name in given else o.default for name, o in options.items()}


def pairs(given: Iterable[str], *, hint: str | None = None) -> dict[str, str]:
    """Return the `key=value` texts of repeated `--option`s by key.

    Args:
        given: The texts.
        hint: Where to look the keys up, for the message.

    Raises:
        UsageError: A text is no pair, or a key comes twice.
    """
    options: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"--option {text} is not KEY=VALUE", hint=hint)
        if name in options:
            raise UsageError(f"--option {name} is given twice")
        options[name] = value
    return options


def _option(name: str, annotation: Any, default: Any) -> Option:
    bounds = None
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, bounds = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        choices = typing.get_args(annotation)
        return Option(name, type(choices[0]), default, choices)
    return Option(name, annotation, default, bounds=bounds)
