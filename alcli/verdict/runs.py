"""The complete runs in a simulation's table, and which seeds are left out for what reason."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

REFERENCE = "all labels"
METRICS = ("accuracy", "macro_f1")
STAGES = ("train", "score", "select")

_SECONDS = tuple(f"{stage}_seconds" for stage in STAGES)
_COLUMNS = (
    "method",
    "seed",
    "round",
    "labels",
    "pseudo_labels",
    "pseudo_precision",
    *METRICS,
    *_SECONDS,
    "error",
)


@dataclass(frozen=True)
class LeftOut:
    """A seed that does not count, and why."""

    seed: int
    reason: str


@dataclass(frozen=True, eq=False)
class Runs:
    """The complete runs of one method: S seeds, all with the same r rounds.

    Attributes:
        seeds: Ascending.
        rounds: (r,) ascending; 0 is the model of the initial labels.
        labels: (S, r) labels that people gave so far, the initial ones included.
        values: (S, r) the metric, in [0, 1], never NaN.
        pseudo_labels: (S, r) pseudo-labels in use.
        pseudo_precision: (S, r) share of them that is right; NaN where there are none.
        seconds: (S, r, 3) seconds in each of `STAGES`; NaN where not measured.
        left_out: The seeds without a complete run.
    """

    seeds: tuple[int, ...]
    rounds: NDArray[np.int64]
    labels: NDArray[np.float64]
    values: NDArray[np.float64]
    pseudo_labels: NDArray[np.float64]
    pseudo_precision: NDArray[np.float64]
    seconds: NDArray[np.float64]
    left_out: tuple[LeftOut, ...] = ()

    def part(
        self, seeds: Sequence[int], rounds: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return labels and values, each (len(seeds), len(rounds)); every seed and round must be here."""
        rows = np.array([self.seeds.index(seed) for seed in seeds], dtype=np.int64)
        block = np.ix_(rows, np.searchsorted(self.rounds, rounds))
        return self.labels[block], self.values[block]


def read(columns: Mapping[str, Sequence[Any]], metric: str) -> dict[str, Runs]:
    """Return the runs of each method, in the order of first appearance.

    A run is complete when it has every round that any seed of its method without a failure has, and `metric` is
    a number in all of them.

    Args:
        columns: Equal-length columns, a row per method, seed and round, in any order.
        metric: One of `METRICS`.

    Raises:
        ValueError: A column is missing or of another length, or a row occurs twice.
    """
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise ValueError(f"columns missing from the results: {', '.join(missing)}")
    if len({len(columns[name]) for name in _COLUMNS}) > 1:
        raise ValueError("the columns of the results differ in length")
    rows_of: dict[str, dict[int, dict[int, int]]] = {}
    for row, (method, seed, round_) in enumerate(
        zip(columns["method"], columns["seed"], columns["round"], strict=True)
    ):
        rows = rows_of.setdefault(str(method), {}).setdefault(int(seed), {})
        if int(round_) in rows:
            raise ValueError(f"the results have {method}, seed {seed}, round {round_} twice")
        rows[int(round_)] = row
    table = _Table(columns, metric)
    return {method: table.runs(by_seed) for method, by_seed in rows_of.items()}


class _Table:
    """The columns as arrays, by row."""

    def __init__(self, columns: Mapping[str, Sequence[Any]], metric: str) -> None:
        self.metric = metric
        self.errors = [error if isinstance(error, str) and error else None for error in columns["error"]]
        self.numbers = {
            name: np.asarray(columns[name], dtype=np.float64)  # None becomes NaN
            for name in _COLUMNS
            if name not in ("method", "error")
        }

    def runs(self, by_seed: Mapping[int, Mapping[int, int]]) -> Runs:
        """Return the runs of one method from the row of each of its seeds and rounds."""
        sound = [rows for rows in by_seed.values() if not any(self.errors[row] for row in rows.values())]
        rounds = sorted(set(itertools.chain.from_iterable(sound)))
        reasons = {seed: self._flaw(by_seed[seed], rounds) for seed in sorted(by_seed)}
        seeds = tuple(seed for seed, reason in reasons.items() if reason is None)
        rows = np.array([[by_seed[seed][round_] for round_ in rounds] for seed in seeds], dtype=np.int64)
        rows = rows.reshape(len(seeds), len(rounds))
        return Runs(
            seeds=seeds,
            rounds=np.array(rounds, dtype=np.int64),
            labels=self.numbers["labels"][rows],
            values=self.numbers[self.metric][rows],
            pseudo_labels=self.numbers["pseudo_labels"][rows],
            pseudo_precision=self.numbers["pseudo_precision"][rows],
            seconds=np.stack([self.numbers[name][rows] for name in _SECONDS], axis=-1),
            left_out=tuple(LeftOut(seed, reason) for seed, reason in reasons.items() if reason is not None),
        )

    def _flaw(self, rows: Mapping[int, int], rounds: Iterable[int]) -> str | None:
        """Return why these rows are no complete run; None if they are one."""
        for round_ in sorted(rows):
            if error := self.errors[rows[round_]]:
                return f"failed in round {round_}: {error}"
        lacking = [round_ for round_ in rounds if round_ not in rows]
        if lacking:
            return f"round {lacking[0]} is not there yet"
        for round_, name in itertools.product(rounds, (self.metric, "labels")):
            if not np.isfinite(self.numbers[name][rows[round_]]):
                return f"{name} of round {round_} is not a number"
        return None
