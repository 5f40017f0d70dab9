"""The inputs of a batch strategy, and the batches that it picks of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli.planning.scores import settled
from alcli.strategies import _inputs
from alcli.strategies._batch import Batch, joined


class Gathered(NamedTuple):
    """The inputs of a batch strategy.

    Attributes:
        function: The strategy's.
        options: Of it, by name.
        order: (n,) positions of the call's rows in ascending order of keys, in which the inputs lie.
        inputs: By name; arrays of n rows in that order, and what is known of the whole call.
    """

    function: Callable[..., Batch]
    options: Mapping[str, Any]
    order: NDArray[np.int64]
    inputs: dict[str, Any]

    def pick(self, k: int, *, rows: NDArray[np.bool_] | None = None) -> Batch:
        """Pick min(k, n) rows.

        Args:
            k: How many; 0 or less gives none.
            rows: (n,) which of the call's rows may be picked; None for all.

        Returns:
            The batch; its rows are positions in the call's own order.
        """
        order, inputs = self.order, self.inputs
        if rows is not None:
            kept = np.flatnonzero(rows[order])
            order = order[kept]
            by_row = [*_inputs.parameters(self.function)[0], "keys"]
            inputs = inputs | {name: inputs[name][kept] for name in by_row}
        k = min(k, len(order))
        if k <= 0:
            return Batch(np.empty(0, np.int64), np.empty(0))
        batch: Batch = _inputs.call(self.function, {**inputs, "k": k}, **self.options)
        return dataclasses.replace(batch.at(order), scores=settled(batch.scores.copy()))

    def pick_by_class(self, codes: NDArray[Any], quota: NDArray[Any]) -> Batch:
        """Pick a number of rows of each class, each class by itself, and take turns.

        Args:
            codes: (n,) class codes of the call's rows.
            quota: (c,) how many rows of each class to pick.
        """
        parts = [self.pick(int(count), rows=codes == code) for code, count in enumerate(quota) if count > 0]
        turn = np.concatenate([np.arange(len(part.rows)) for part in parts] or [np.empty(0, np.int64)])
        order = np.argsort(turn, kind="stable")
        return joined(parts, order)
