"""What a strategy is: a function whose signature is its contract, and what is known about it.

    @pointwise(paper="Scheffer, Decomain & Wrobel, 2001, doi:10.1007/3-540-44816-0_31, section 4")
    def margin(margin: Floats) -> Floats:

Positional parameters name its inputs, one row per image; keyword-only parameters without a default name
inputs about the whole call, such as the class centres; keyword-only parameters with a default are its
options. From that the registry derives what `score` must have saved, the legal `--option`s, `select --list`
and the contract test's inputs. The file's name is the function's name is the name on the command line.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from alcli import plugins
from alcli.strategies import _inputs, _options

Floats = NDArray[np.float64]
Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGE = "alcli.strategies"


@dataclass(frozen=True, eq=False)
class Selection:
    """The rows to label next.

    Attributes:
        rows: (k,) int64 positions in the arrays of one call, in pick order.
        scores: (k,) float64, higher for "label sooner".
    """

    rows: NDArray[np.int64]
    scores: Floats


@dataclass(frozen=True)
class Strategy:
    """A strategy and what is known about it.

    Attributes:
        function: What computes the scores.
        kind: `pointwise`: each image's score is its own.
        paper: Author, year, identifier, and the equation or section.
        prediction: The input that `predicted_label` shows.
        ties: Computes what orders images of equal score, from inputs in the same way; higher first.
    """

    function: Callable[..., Any]
    kind: str
    paper: str
    prediction: str
    ties: Callable[..., Any] | None

    @property
    def name(self) -> str:
        """The name on the command line."""
        return self.function.__name__.replace("_", "-")

    @property
    def summary(self) -> str:
        """One line for people."""
        return (self.function.__doc__ or "").strip().split("\n")[0]

    @functools.cached_property
    def options(self) -> dict[str, _options.Option]:
        """The options by name."""
        return _options.of(self.function)

    @property
    def orders(self) -> tuple[str, ...]:
        """The values that `--order` may take; none where there is one order only."""
        return self.options["order"].choices if "order" in self.options else ()

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals that it reads where `score` has saved all of them."""
        return tuple(s for s in _inputs.all_sources(self.function, _inputs.SIGNALS) if s in _inputs.SIGNALS)

    @property
    def needs_model(self) -> bool:
        """Whether images must have been scored by a model."""
        return bool(self.signals)

    @property
    def needs_labels(self) -> bool:
        """Whether it looks at the labelled images."""
        return bool(_inputs.about_labelled(self.function, _inputs.SIGNALS))

    @property
    def needs(self) -> str:
        """What it needs, for `select --list`."""
        return ", ".join(_inputs.needs(self.function)) or "nothing"

    @property
    def cost(self) -> str:
        """What it reads and keeps, for `select --list`."""
        kept = 16 if self.ties is None else 24  # key, score, tie-break
        return f"reads {_inputs.width(self.signals)}, keeps {kept} bytes per image"


_known: dict[Callable[..., Any], Strategy] = {}


def pointwise(
    *, paper: str, prediction: str = "prediction", ties: Callable[..., Any] | None = None
) -> Callable[[Function], Function]:
    """Register a strategy that scores each image by itself; the function is returned unchanged.

    Args:
        paper: Author, year, identifier, and the equation or section.
        prediction: The input that says which class the strategy takes an image for.
        ties: A function of inputs, called beside the strategy, whose values order images of equal score.
    """

    def register(function: Function) -> Function:
        _known[function] = Strategy(function, "pointwise", paper, prediction, ties)
        return function

    return register


def find(name: str) -> Strategy:
    """Return the strategy called `name` on the command line; only its file is imported.

    Raises:
        UsageError: There is none; near matches are named.
    """
    return _known[plugins.load(_PACKAGE, name, kind="strategy")]
