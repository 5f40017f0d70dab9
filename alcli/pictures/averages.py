"""Means over seeds with their intervals, from the rows of a simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli.errors import InputRejected
from alcli.verdict.curves import estimate

Floats = NDArray[np.float64]
Columns = Mapping[str, Sequence[Any]]

_LEVEL = 0.95


@dataclass(frozen=True)
class Line:
    """A method's mean over seeds, round by round.

    Attributes:
        method: Its name.
        rounds: (r,) round numbers, ascending.
        labels: (r,) labels spent, mean over seeds.
        mean: (r,) mean of the value over seeds.
        half_width: (r,) of the 95 % t interval; NaN where there is one seed only.
        seeds: (r,) seeds that have a value.
    """

    method: str
    rounds: Floats
    labels: Floats
    mean: Floats
    half_width: Floats
    seeds: NDArray[np.int64]

    @property
    def spends(self) -> bool:
        """Whether the number of labels grows; if not, the line is drawn against rounds."""
        return len(self.rounds) == 1 or bool(np.ptp(self.labels) > 0)


def lines(columns: Columns, value: str) -> list[Line]:
    """Average one column over seeds, by method and round.

    A seed in which a method failed, or lacks rounds that others have, is left out with all its rounds, as in the
    verdict: else a line would jump where the seed ends. So are rows whose value is None or NaN, and methods of
    which nothing is left.

    Args:
        columns: Sequences of one length: `method`, `seed`, `round`, `labels`, `error`, and the value's.
        value: Which to average.

    Returns:
        A line per method, in order of first appearance.

    Raises:
        InputRejected: A column is missing or of another length; or no row is left.
    """
    _check(columns, ("method", "seed", "round", "labels", "error", value))
    values, rounds, labels = (_numbers(columns[name]) for name in (value, "round", "labels"))
    runs = list(zip(map(str, columns["method"]), columns["seed"], strict=True))
    whole = _complete(runs, columns)
    rows_of: dict[str, list[int]] = {}
    for row, run in enumerate(runs):
        if run in whole and np.isfinite(values[row]):
            rows_of.setdefault(run[0], []).append(row)
    if not rows_of:
        raise InputRejected(
            f"none of {len(values)} rows holds a {value.replace('_', ' ')}: there is nothing to draw",
            details=sorted({error for error in columns["error"] if isinstance(error, str)}),
        )
    return [_line(method, rounds[rows], labels[rows], values[rows]) for method, rows in rows_of.items()]


def _complete(runs: Sequence[tuple[str, Any]], columns: Columns) -> set[tuple[str, Any]]:
    """Return the runs, method and seed, without a failure that have every round that such runs of the method have."""
    failed = {run for run, error in zip(runs, columns["error"], strict=True) if isinstance(error, str)}
    rounds_of: dict[tuple[str, Any], set[Any]] = {}
    for run, number in zip(runs, columns["round"], strict=True):
        if run not in failed:
            rounds_of.setdefault(run, set()).add(number)
    most: dict[str, set[Any]] = {}
    for (method, _), numbers in rounds_of.items():
        most.setdefault(method, set()).update(numbers)
    return {run for run, numbers in rounds_of.items() if numbers == most[run[0]]}


def seeds(found: Sequence[Line]) -> str:
    """Say over how many seeds the points of some lines are means: `5 seeds`, `4 to 5 seeds`."""
    counts = np.concatenate([line.seeds for line in found])
    low, high = int(counts.min()), int(counts.max())
    many = f"{low} to {high}" if low < high else str(high)
    return f"{many} seed{'s' if high > 1 else ''}"


def _line(method: str, rounds: Floats, labels: Floats, values: Floats) -> Line:
    numbers = np.unique(rounds)
    groups = [rounds == number for number in numbers]
    found = [estimate(values[group], _LEVEL) for group in groups]
    return Line(
        method,
        numbers,
        np.array([labels[group].mean() for group in groups]),
        np.array([point.mean for point in found]),
        np.array([np.nan if point.half_width is None else point.half_width for point in found]),
        np.array([int(group.sum()) for group in groups]),
    )


def _numbers(column: Sequence[Any]) -> Floats:
    return np.array([np.nan if value is None else float(value) for value in column], np.float64)


def _check(columns: Columns, needed: Sequence[str]) -> None:
    lacking = [name for name in needed if name not in columns]
    if lacking:
        raise InputRejected(f"the results lack the column {lacking[0]}")
    lengths = {name: len(columns[name]) for name in needed}
    if len(set(lengths.values())) > 1:
        counted = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputRejected(f"the columns of the results differ in length: {counted}")
