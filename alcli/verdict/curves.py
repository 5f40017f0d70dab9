"""Figures of learning curves: mean and interval over seeds, area under a curve, labels needed for a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alcli.verdict.runs import STAGES, Runs

Axis = Literal["labels", "round"]

_TOLERANCE = 1e-12  # two ways to compute one accuracy differ by less


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and half the width of its t-interval; None with one seed, which has no spread."""

    mean: float
    half_width: float | None


@dataclass(frozen=True)
class Point:
    """One round of a learning curve.

    Attributes:
        round: 0 is the model of the initial labels.
        labels: Labels that people gave so far; the mean over seeds, rounded.
        seeds: How many seeds the figures are from.
        value: The metric, in [0, 1].
        pseudo_labels: Pseudo-labels in use, mean over seeds.
        pseudo_precision: Share of them that is right, mean over the seeds that have some.
    """

    round: int
    labels: int
    seeds: int
    value: Estimate
    pseudo_labels: float | None
    pseudo_precision: float | None


def estimate(values: NDArray[np.float64], level: float) -> Estimate:
    """Return the mean of values of independent seeds with its Student t-interval.

    Args:
        values: (S,) with S >= 1.
        level: Probability that the interval covers the mean, such as 0.95.
    """
    from scipy.special import stdtrit  # the quantile of scipy.stats.t, whose import takes four times as long

    count = len(values)
    mean = float(np.mean(values))
    if count == 1:
        return Estimate(mean, None)
    if np.ptp(values) == 0:
        return Estimate(mean, 0.0)  # not the rounding error of the mean
    spread = float(np.std(values, ddof=1)) / count**0.5
    return Estimate(mean, float(stdtrit(count - 1, (1 + level) / 2)) * spread)


def curve(runs: Runs, level: float) -> tuple[Point, ...]:
    """Return the mean learning curve, a point per round; empty where no seed is complete."""
    if not runs.seeds:
        return ()
    return tuple(
        Point(
            round=int(round_),
            labels=round(float(runs.labels[:, at].mean())),
            seeds=len(runs.seeds),
            value=estimate(runs.values[:, at], level),
            pseudo_labels=known_mean(runs.pseudo_labels[:, at]),
            pseudo_precision=known_mean(runs.pseudo_precision[:, at]),
        )
        for at, round_ in enumerate(runs.rounds)
    )


def seconds(runs: Runs) -> dict[str, float | None]:
    """Return the mean seconds of one round in each stage; None where a stage was never measured."""
    return {stage: known_mean(runs.seconds[..., at]) for at, stage in enumerate(STAGES)}


def known_mean(values: NDArray[np.float64]) -> float | None:
    """Return the mean of what is not NaN; None if nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def grows(labels: NDArray[np.float64]) -> bool:
    """Return whether every seed, a row of (S, r), spends labels after its first round."""
    return labels.shape[1] > 1 and bool((labels[:, -1] > labels[:, 0]).all())


def axis_of(labels: NDArray[np.float64]) -> Axis:
    """Return what a curve is drawn over: labels, or rounds where no labels are spent; (S, r) labels."""
    return "labels" if grows(labels) else "round"


def area(x: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area under each curve (trapezoids) over the width of x: a mean value, in units of the metric.

    Args:
        x: (S, r) labels or rounds, ascending, the last above the first. With r = 1 the mean is the one value.
        values: (S, r).

    Returns:
        (S,), between the least and the greatest value of each curve.
    """
    if values.shape[1] == 1:
        return values[:, 0]
    return np.asarray(np.trapezoid(values, x, axis=1) / (x[:, -1] - x[:, 0]))


def labels_needed(labels: NDArray[np.float64], values: NDArray[np.float64], target: float) -> float | None:
    """Return how many labels a curve takes to its first value >= target, interpolated linearly.

    Args:
        labels: (r,) ascending.
        values: (r,).
        target: The value to reach.

    Returns:
        Between the first and the last of `labels`; None where the target is never reached.
    """
    there = np.flatnonzero(values >= target - _TOLERANCE)
    if not there.size:
        return None
    at = int(there[0])
    if at == 0:
        return float(labels[0])
    share = min((target - values[at - 1]) / (values[at] - values[at - 1]), 1.0)
    return float(labels[at - 1] + share * (labels[at] - labels[at - 1]))
