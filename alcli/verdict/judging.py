"""Judge a simulation: all figures of every method, and what they show."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alcli.errors import UsageError
from alcli.verdict import comparing, curves, runs, words
from alcli.verdict.comparing import Comparison
from alcli.verdict.curves import Axis, Estimate, Point
from alcli.verdict.runs import METRICS, REFERENCE, LeftOut, Runs
from alcli.verdict.words import Finding

LEAST_LEVEL, GREATEST_LEVEL = 0.5, 0.999
_LEVEL = 0.95


@dataclass(frozen=True)
class MethodVerdict:
    """One method.

    Attributes:
        name: As in the results.
        seeds: The complete ones; all figures are from these.
        left_out: The others, with the reason.
        axis: What the area is over: labels, or rounds where the method spends no labels.
        curve: A point per round.
        area: Area under the curve over the width of the axis, in units of the metric; None with one round.
        end: The metric after the last round; None without a complete seed.
        seconds: Mean seconds of a round in `train`, `score` and `select`; None where not measured.
        comparison: With the baseline; None where there is nothing to compare with, and for a baseline.
        finding: What the test of the difference in area says.
        words: The same, in one sentence.
    """

    name: str
    seeds: tuple[int, ...]
    left_out: tuple[LeftOut, ...]
    axis: Axis
    curve: tuple[Point, ...]
    area: Estimate | None
    end: Estimate | None
    seconds: dict[str, float | None]
    comparison: Comparison | None
    finding: Finding
    words: str


@dataclass(frozen=True)
class Reference:
    """What training on every label of the pool reaches: a line to look up to."""

    labels: int
    seeds: tuple[int, ...]
    value: Estimate


@dataclass(frozen=True)
class Verdict:
    """What a simulation shows.

    Attributes:
        metric: The column that all figures are about.
        level: Of all intervals; 1 - level is the error allowed to call a difference real.
        comparisons: How many methods were tested; p-values are corrected for that many.
        methods: In the order of the results.
        all_labels: The reference, if it was run.
        words: The verdict in one sentence.
        notes: Labels that are wrong on purpose, seeds left out, and comparisons over a part of the rounds or seeds.
    """

    metric: str
    level: float
    comparisons: int
    methods: tuple[MethodVerdict, ...]
    all_labels: Reference | None
    words: str
    notes: tuple[str, ...]

    @property
    def by_chance(self) -> dict[str, Comparison]:
        """By baseline, the comparison over most of its seeds: its saving knows what ups and downs alone save."""
        found: dict[str, Comparison] = {}
        for one in (method.comparison for method in self.methods):
            if (
                one
                and one.saving
                and len(one.seeds) > len(found[one.baseline].seeds if one.baseline in found else ())
            ):
                found[one.baseline] = one
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dictionaries, sequences, strings, numbers and None, for JSON."""
        return dataclasses.asdict(self)


def judge(
    columns: Mapping[str, Sequence[Any]], *, metric: str = "accuracy", level: float = _LEVEL, seed: int = 0
) -> Verdict:
    """Judge a simulation, also one that was interrupted or in which seeds failed.

    Args:
        columns: The results, a row per method, seed and round; equal-length columns `method`, `seed`, `round` (0 is
            the initial labels), `labels` (by people, the initial ones included), `pseudo_labels`,
            `pseudo_precision`, `accuracy` and `macro_f1` in [0, 1], `train_seconds`, `score_seconds`,
            `select_seconds`, and `error` (None where all went well); `withheld` may be there, how many of
            `labels` a check left out, and `label_noise`, the share of the others that is wrong.
        metric: `accuracy` or `macro_f1`.
        level: Of the intervals, from 0.5 to 0.999; a difference is real when its corrected p is at most 1 - level.
        seed: Of the signs drawn for the test where there are more than 16 seeds.

    Raises:
        UsageError: There is no such metric, or the level is out of range.
        ValueError: A column is missing or of another length, or a row occurs twice.
    """
    if metric not in METRICS:
        raise UsageError(f"no metric is called {metric!r}", hint=f"use one of {', '.join(METRICS)}")
    if not LEAST_LEVEL <= level <= GREATEST_LEVEL:
        raise UsageError(
            f"the level {level} is not between {LEAST_LEVEL} and {GREATEST_LEVEL}", hint="use 0.95"
        )
    by_method = runs.read(columns, metric)
    found = comparing.compare(by_method, level=level, seed=seed)
    count = sum(isinstance(one, Comparison) for one in found.values())
    alpha = _alpha(level)
    methods = tuple(
        _method(name, one, found.get(name), comparisons=count, alpha=alpha, level=level)
        for name, one in by_method.items()
        if name != REFERENCE
    )
    return Verdict(
        metric=metric,
        level=level,
        comparisons=count,
        methods=methods,
        all_labels=_reference(by_method.get(REFERENCE), level),
        words=words.overall(
            {one.name: one.finding for one in methods},
            {name: one for name, one in found.items() if isinstance(one, Comparison)},
            alpha,
        ),
        notes=(*words.wrong_on_purpose(columns), *words.notes(by_method, found)),
    )


def foresee(methods: Collection[str], seeds: int, *, level: float = _LEVEL) -> str | None:
    """Return a sentence where so few seeds could show no difference, to be told before they run; else None.

    Args:
        methods: Names of all methods, `random` among them.
        seeds: How many each will have.
        level: As for `judge`.
    """
    return words.too_few_seeds(methods, seeds, _alpha(level))


def _alpha(level: float) -> float:
    return round(1 - level, 12)


def _method(
    name: str, own: Runs, found: Comparison | str | None, *, comparisons: int, alpha: float, level: float
) -> MethodVerdict:
    axis = curves.axis_of(own.labels) if own.seeds else "round"
    rounds = np.broadcast_to(own.rounds.astype(np.float64), own.values.shape)
    points = curves.curve(own, level)
    areas = curves.area(own.labels if axis == "labels" else rounds, own.values) if len(points) > 1 else None
    return MethodVerdict(
        name=name,
        seeds=own.seeds,
        left_out=own.left_out,
        axis=axis,
        curve=points,
        area=None if areas is None else curves.estimate(areas, level),
        end=points[-1].value if points else None,
        seconds=curves.seconds(own),
        comparison=found if isinstance(found, Comparison) else None,
        finding=words.finding(found, alpha),
        words=words.sentence(name, found, points, comparisons=comparisons, alpha=alpha),
    )


def _reference(own: Runs | None, level: float) -> Reference | None:
    if own is None or not own.seeds:
        return None
    last = curves.curve(own, level)[-1]
    return Reference(last.labels, own.seeds, last.value)
