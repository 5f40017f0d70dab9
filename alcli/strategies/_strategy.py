"""What a strategy is: a function whose signature is its contract, and what is known about it.

    @pointwise(paper="Scheffer, Decomain & Wrobel, 2001, doi:10.1007/3-540-44816-0_31, section 4")
    def margin(margin: Floats) -> Floats:

    @batch(paper="Sener & Savarese, 2018, arXiv:1708.00489, algorithm 1", cost="…", memory="…", prefix=True)
    def kcenter(embeddings: Singles, *, labelled_embeddings: Singles, k: int) -> Batch:

Positional parameters name its inputs, one row per image; keyword-only parameters without a default name
inputs about the whole call, such as the class centres or the budget; keyword-only parameters with a default
are its options. From that the registry derives what `score` must have saved, the legal `--option`s,
`select --list` and the contract test's inputs. The file's name is the function's name is the name on the
command line.

A pointwise strategy scores each image by itself and sees blocks of rows in float64. A batch strategy sees all
rows at once, in ascending order of their keys, matrices in float32; so the smaller row is the smaller id, and
numbers drawn row by row do not depend on the order of files.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from alcli import parameters, plugins
from alcli.strategies import _inputs
from alcli.strategies._batch import Size

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
        function: What computes the scores, or picks the batch.
        kind: `pointwise`: each image's score is its own. `batch`: images are picked together.
        paper: Author, year, identifier, and the equation or section.
        prediction: The input that `predicted_label` shows.
        ties: Computes what orders images of equal score, from inputs in the same way; higher first.
        variants: Functions that take the place of `function` where an option has a value, by (option, value).
        cost: Arithmetic that a batch takes.
        memory: What a batch strategy keeps, beside the signals that it reads.
        prefix: Whether a smaller budget's picks are the first of a larger one's.
        limit: Raises UsageError where a call is too large, before anything is read.
        candidates: How `--candidates` narrows the pool: `margin` (the smallest) or `random`.
        again: Scores labelled images for another label, comparably; None where the strategy cannot. It takes
            the quality of their labels and the weights of their annotators, and the strategy's options by name.
    """

    function: Callable[..., Any]
    kind: str
    paper: str
    prediction: str = "prediction"
    ties: Callable[..., Any] | None = None
    variants: Mapping[tuple[str, Any], Callable[..., Any]] = field(default_factory=dict)
    cost: str = "O(n)"
    memory: str = ""
    prefix: bool = True
    limit: Callable[[Size, Mapping[str, Any]], None] | None = None
    candidates: str = "margin"
    again: Callable[..., Any] | None = None

    @property
    def name(self) -> str:
        """The name on the command line."""
        return self.function.__name__.replace("_", "-")

    @property
    def summary(self) -> str:
        """One line for people."""
        return (self.function.__doc__ or "").strip().split("\n")[0]

    @functools.cached_property
    def options(self) -> dict[str, parameters.Option]:
        """The options by name."""
        return parameters.of(self.function)

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
        """Whether it goes by the classes of the labelled images."""
        return "labels" in _inputs.all_sources(self.function, _inputs.SIGNALS)

    @property
    def needs(self) -> str:
        """What it needs, for `select --list`."""
        return ", ".join(_inputs.needs(self.function)) or "nothing"

    @property
    def reads(self) -> str:
        """The bytes that it reads for each image, for `select --list`."""
        return _inputs.width(self.signals)

    @property
    def keeps(self) -> str:
        """The memory that it takes, for `select --list`."""
        if self.kind == "batch":
            return self.memory
        return f"{16 if self.ties is None else 24}·n"  # key, score, tie-break

    def variant(self, options: Mapping[str, Any]) -> Callable[..., Any]:
        """Return what computes the scores under these options."""
        for (name, value), function in self.variants.items():
            if options.get(name) == value:
                return function
        return self.function


_known: dict[Callable[..., Any], Strategy] = {}


def pointwise(*, paper: str, **more: Any) -> Callable[[Function], Function]:
    """Register a strategy that scores each image by itself; the function is returned unchanged.

    Args:
        paper: Author, year, identifier, and the equation or section.
        **more: `prediction`, `ties`, `variants`, `cost` or `again` of the `Strategy`.
    """
    return _registered("pointwise", paper=paper, **more)


def batch(*, paper: str, cost: str, memory: str, prefix: bool, **more: Any) -> Callable[[Function], Function]:
    """Register a strategy that picks images together; the function is returned unchanged.

    The function is called with 1 ≤ k ≤ n and returns a `Batch` of k rows. It must not change its inputs.

    Args:
        paper: Author, year, identifier, and the equation or section.
        cost: Arithmetic in n, k, l (labelled), c, d, such as `O(k·n·d), pruned`.
        memory: Bytes beside the inputs, such as `12·n`.
        prefix: Whether a smaller budget's picks are the first of a larger one's.
        **more: `prediction`, `limit` or `candidates` of the `Strategy`.
    """
    more = {"candidates": "random", **more}
    return _registered("batch", paper=paper, cost=cost, memory=memory, prefix=prefix, **more)


def _registered(kind: str, **about: Any) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        _known[function] = Strategy(function, kind, **about)
        return function

    return register


def find(name: str) -> Strategy:
    """Return the strategy called `name` on the command line; only its file is imported.

    Raises:
        UsageError: There is none; near matches are named.
    """
    return _known[plugins.load(_PACKAGE, name, kind="strategy")]
