"""The losses and objectives there are, and the parameters of those that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from alcli import parameters, plugins
from alcli.training.co_teaching import kept_share
from alcli.training.options import Options
from alcli.training.refining import Manner

_LOSSES = "alcli.losses.classification"
_OBJECTIVES = "alcli.training.objectives"

OF_WHOLE_POOL = ("ccl", "vaal")  # objectives that learn of images without a label too


def find_loss(name: str) -> Callable[..., Any]:
    """Return the loss of this name: `(logits (b, c), targets (b, c), …) -> (b,)`.

    Raises:
        UsageError: There is none; near matches are named.
    """
    loss: Callable[..., Any] = plugins.load(_LOSSES, name, kind="--loss")
    return loss


def find_objective(name: str) -> Callable[..., Any]:
    """Return the objective of this name: `(job, model, examples, **parameters)`, yields one task after another.

    Raises:
        UsageError: There is none; near matches are named.
    """
    objective: Callable[..., Any] = plugins.load(_OBJECTIVES, name, kind="--objective")
    return objective


def settle(options: Options) -> dict[str, Any]:
    """Return the parameters of all that was asked for by name: those given, converted, else the defaults.

    Raises:
        UsageError: A name is unknown, or a value is not legal.
    """
    owners = {options.loss: find_loss(options.loss), options.objective: find_objective(options.objective)}
    if options.refine_pseudo is not None:
        owners["--refine-pseudo"] = Manner
    if options.co_teaching:
        owners["--co-teaching"] = kept_share
    declared: dict[str, parameters.Option] = {}
    for function in owners.values():
        declared |= parameters.of(function)
    adjustable = [name for name, function in owners.items() if parameters.of(function)]
    return parameters.settle(" and ".join(adjustable or [options.loss]), declared, options.parameters)


def own(function: Callable[..., Any], settled: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the settled parameters that a function declares."""
    return {name: settled[name] for name in parameters.of(function)}
