"""A strategy, and signals read chunk by chunk, give the scores of a pool, or a batch of it.

`plan` says which signals a strategy needs of those there are; the plan turns them into scores (`score`), or
holds them (`gather`) and picks a batch out of them (`Gathered.pick`).
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import parameters, randomness, uncertainty
from alcli.errors import UsageError
from alcli.planning.gathered import Gathered
from alcli.planning.scores import Floats, Scores, settled
from alcli.strategies import _inputs, _stochastic
from alcli.strategies._batch import Size
from alcli.strategies._strategy import Strategy, find

Arrays = Mapping[str, NDArray[Any]]
Keys = NDArray[np.uint64]
Name = Callable[[int], str]

__all__ = ["Gathered", "Plan", "Scores", "image_name", "plan"]

logger = logging.getLogger("alcli")


def image_name(key: int) -> str:
    """Name an image in a message by its `alcli_id`."""
    return f"x{key:016x}"


class Plan:
    """A strategy with its options, and where its inputs come from; made by `plan`.

    Attributes:
        strategy: What ranks.
        options: The value of each of its options.
        function: What computes the scores, or picks the batch, under these options.
        row_signals: Stored signals to read for each pool row; none for `random`.
        labelled_signals: Stored signals to read for the labelled rows; none where `fit` is not needed.
        model_inputs: What to read of the model itself and give to `know`.
        prediction_signals: Stored signals to read for `predictions`; none where no prediction can be made.
        needs_labels: Whether the classes of the labelled rows are needed.
        missing: Those of `row_signals` and `labelled_signals` that are not available.
    """

    def __init__(
        self, strategy: Strategy, available: Collection[str], options: dict[str, Any], seed: int, name: Name
    ) -> None:
        self.strategy = strategy
        self.options = options
        self.stochastic: str | None = None
        self.beta = 1.0
        self._seed = seed
        self._name = name
        self.function = strategy.variant(options)
        needed = _inputs.all_sources(self.function, available)
        predicted = _inputs.sources(strategy.prediction, available)
        self.row_signals = _stored(needed)
        self.labelled_signals = _stored(n.removeprefix(_inputs.LABELLED) for n in needed if _of_labelled(n))
        self.model_inputs = tuple(n for n in needed if n in _inputs.OF_MODEL)
        self.needs_labels = "labels" in needed
        usable = {*available, *(_inputs.LABELLED + name for name in available), "labels", "classes"}
        self.prediction_signals = _stored(predicted) if usable.issuperset(predicted) else ()
        wanted = dict.fromkeys((*self.row_signals, *self.labelled_signals))
        self.missing = tuple(name for name in wanted if name not in available)
        self._about = _inputs.about_labelled(self.function, available)
        self._known: dict[str, Any] = {"seed": seed, "device": "cpu"}

    def know(self, **given: Any) -> None:
        """Take in what is known of the whole call: `device`, and the arrays of `model_inputs`."""
        self._known |= given

    def check(self, size: Size) -> None:
        """Refuse a call that is too large, before anything is read.

        Raises:
            UsageError: With the number, and an option or a strategy that helps.
        """
        if self.strategy.limit:
            self.strategy.limit(size, self.options)

    def fit(self, keys: Keys, arrays: Arrays, labels: NDArray[Any], classes: int) -> None:
        """Learn what the strategy needs of the labelled rows; call it once, before `score`.

        Args:
            keys: (l,) identities, named in messages.
            arrays: `labelled_signals` of the l rows.
            labels: (l,) class codes; -1 means none.
            classes: How many classes there are, labelled or not.

        Raises:
            InputRejected: A row holds NaN; no row has a label.
        """
        known: dict[str, Any] = {"labels": labels, "classes": classes}
        for name in self.labelled_signals:
            values = _inputs.prepared(name, arrays[name], self._namer(keys))
            together = self.strategy.kind == "batch"
            known[_inputs.LABELLED + name] = _inputs.narrowed(values) if together else values
        self._known |= {name: _inputs.value(name, known) for name in self._about}

    def score(self, keys: Keys, chunks: Iterable[tuple[NDArray[Any], Arrays]]) -> Scores:
        """Score a whole pool out of chunks, in memory that does not grow with the signals.

        Args:
            keys: (n,) identities: they seed per-image randomness, break ties, and are named in messages.
            chunks: Positions in `keys`, and `row_signals` of these rows; together they cover all of `keys`.
                Empty where there is nothing to read.

        Raises:
            InputRejected: A row holds NaN, or is not what its name says.
            UsageError: `--stochastic` with a strategy whose scores can be negative.
        """
        values = np.full(len(keys), np.nan)  # a row that no chunk covers is refused, not invented
        ties = None if self.strategy.ties is None or self.stochastic else values.copy()
        for positions, arrays in chunks if self.row_signals else [(np.arange(len(keys)), {})]:
            for block, known in self._blocks(keys[positions], arrays, self.row_signals):
                values[positions[block]] = _inputs.call(self.function, known, **self.options)
                if ties is not None and self.strategy.ties is not None:
                    ties[positions[block]] = _inputs.call(self.strategy.ties, known)
        values = settled(values)
        if self.stochastic:
            noise = randomness.gumbel(self._seed, "stochastic", keys)
            kind, beta = self.stochastic, self.beta
            values = settled(_stochastic.perturb(values, keys, noise, kind=kind, beta=beta))
        scores = Scores(values, None if ties is None else settled(ties))
        self._warn_if_flat(scores)
        return scores

    def score_again(self, quality: Floats, weights: Floats, classes: int) -> Floats:
        """Score labelled images for another label; only where the strategy has `again`.

        Args:
            quality: (n,) the probability that an image's label is right.
            weights: (n,) summed weights of the annotators who labelled it.
            classes: How many there are.
        """
        if self.strategy.again is None:
            raise UsageError(f"{self.strategy.name} ranks unlabelled images only")
        taken = inspect.signature(self.strategy.again).parameters
        options = {name: value for name, value in self.options.items() if name in taken}
        return settled(np.array(self.strategy.again(quality, weights, classes=classes, **options)))

    def gather(self, keys: Keys, chunks: Iterable[tuple[NDArray[Any], Arrays]]) -> Gathered:
        """Read the inputs of a batch strategy, whole, in ascending order of keys.

        Args:
            keys: (n,) identities.
            chunks: As for `score`.

        Raises:
            InputRejected: A row holds NaN, or is not what its name says; a row has no signals.
        """
        order = np.argsort(keys)
        place = np.empty(len(keys), np.int64)
        place[order] = np.arange(len(keys))
        names = [name for name in _inputs.parameters(self.function)[0] if name != "keys"]
        whole: dict[str, NDArray[Any]] = {}
        given = np.zeros(len(keys), np.bool_)
        for positions, arrays in chunks if self.row_signals else [(np.arange(len(keys)), {})]:
            given[positions] = True
            for block, known in self._blocks(keys[positions], arrays, self.row_signals):
                for name in names:
                    values = _inputs.narrowed(_inputs.value(name, known))
                    if name not in whole:
                        whole[name] = np.empty((len(keys), *values.shape[1:]), values.dtype)
                    whole[name][place[positions[block]]] = values
        uncertainty.refuse(~given, "no signals were read", self._namer(keys))
        inputs = {**self._known, **whole, "keys": keys[order]}
        return Gathered(self.function, self.options, order, inputs)

    def predictions(self, keys: Keys, arrays: Arrays) -> NDArray[np.int32]:
        """Return the class codes that the strategy takes images for, out of their `prediction_signals`.

        Raises:
            InputRejected: A row holds NaN, or is not what its name says.
        """
        codes = np.empty(len(keys), np.int32)
        for block, known in self._blocks(keys, arrays, self.prediction_signals):
            codes[block] = _inputs.value(self.strategy.prediction, known)
        return codes

    def _blocks(
        self, keys: Keys, arrays: Arrays, names: tuple[str, ...]
    ) -> Iterable[tuple[slice, dict[str, Any]]]:
        """Cut a chunk into blocks that fit the cache, with their inputs checked and copied."""
        size = sum(int(np.prod(arrays[name].shape[1:])) for name in names)
        for block in uncertainty.blocks(len(keys), size):
            row = self._namer(keys[block])
            known = {name: _inputs.prepared(name, arrays[name][block], row) for name in names}
            yield block, {**self._known, "keys": keys[block], **known}

    def _namer(self, keys: Keys) -> Name:
        return lambda row: self._name(int(keys[row]))

    def _warn_if_flat(self, scores: Scores) -> None:
        count = len(scores.values)
        if count > 1 and all(level is None or level.min() == level.max() for level in scores):
            told = "%s gives all %d images the same score: their order is that of their ids"
            logger.warning(told, self.strategy.name, count)


def plan(
    name: str,
    available: Collection[str],
    *,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    stochastic: str | None = None,
    beta: float = 1.0,
    row_name: Name = image_name,
) -> Plan:
    """Settle how a strategy will rank with the signals that there are; nothing is read.

    Args:
        name: The strategy, as on the command line.
        available: Names of stored signals.
        options: The strategy's own; values may be strings.
        seed: Drives `random` and `stochastic`.
        stochastic: `power`, `softmax` or `softrank`: sample the batch with probabilities that grow with the
            score.
        beta: How closely the sample follows the scores.
        row_name: Names a row by its key in messages.

    Raises:
        UsageError: The strategy or an option is unknown, or its value is not legal; `stochastic` with a
            strategy that picks its batch as a whole.
    """
    strategy = find(name)
    if stochastic and strategy.kind == "batch":
        raise UsageError(f"--stochastic spreads a ranking; {name} picks its batch as a whole already")
    made = Plan(strategy, available, parameters.settle(name, strategy.options, options or {}), seed, row_name)
    made.stochastic = None if stochastic is None else _stochastic.KIND.convert(stochastic)
    made.beta = _stochastic.BETA.convert(beta)
    return made


def _of_labelled(name: str) -> bool:
    return name.startswith(_inputs.LABELLED)


def _stored(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in _inputs.SIGNALS)
