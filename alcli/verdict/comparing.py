"""Each method beside its baseline, seed by seed: difference in area and end point, and labels saved."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alcli.verdict import curves, permutation
from alcli.verdict.curves import Axis, Estimate
from alcli.verdict.runs import REFERENCE, Runs

BASELINE = "random"


@dataclass(frozen=True)
class Difference:
    """A method minus its baseline, paired by seed, in units of the metric.

    Attributes:
        mean: Above 0 where the method is better.
        half_width: Half the width of the t-interval of the mean; None with one seed.
        by_seed: The paired differences.
        p: Of the two-sided sign-flip test.
        p_corrected: The same after Holm's correction for all comparisons of this kind.
        least_p: The smallest p that this number of seeds can give.
        least_p_corrected: What the correction would make of that, the other methods as they are.
    """

    mean: float
    half_width: float | None
    by_seed: tuple[float, ...]
    p: float
    p_corrected: float
    least_p: float
    least_p_corrected: float


@dataclass(frozen=True)
class Saving:
    """Labels not needed to reach what the baseline reaches with its whole budget.

    The target of a seed is the baseline's last value in that seed. A curve counts from where it first reaches it,
    so ups and downs alone look like a saving; `baseline_share` is what the baseline saves by its own.

    Attributes:
        share: 1 - labels needed / whole budget; 0 for a seed that never reaches the target.
        reached: How many seeds reach it.
        needed: Labels needed by each seed; None where the target is not reached.
        baseline_share: The same of the baseline's own curves.
    """

    share: Estimate
    reached: int
    needed: tuple[float | None, ...]
    baseline_share: Estimate


@dataclass(frozen=True)
class Comparison:
    """A method beside its baseline, over the seeds and rounds that both have.

    Attributes:
        baseline: `random` with the method's suffix where there is one, else `random`.
        seeds: The seeds that both completed.
        rounds: The rounds that both have.
        axis: What the areas are over: rounds, where the two do not spend the same labels.
        labels: Labels that the method had spent at the last of these rounds, mean over seeds, rounded.
        baseline_labels: The same of the baseline.
        area: Difference in area under the curve; with one round, in the metric.
        end: Difference at the last of these rounds.
        saving: None where one of the two spends no labels.
    """

    baseline: str
    seeds: tuple[int, ...]
    rounds: tuple[int, ...]
    axis: Axis
    labels: int
    baseline_labels: int
    area: Difference
    end: Difference
    saving: Saving | None


@dataclass(frozen=True, eq=False)
class _Pair:
    """What is compared: (r,) rounds, and (S, r) labels and values of a method and of its baseline."""

    baseline: str
    seeds: tuple[int, ...]
    rounds: NDArray[np.int64]
    labels: NDArray[np.float64]
    values: NDArray[np.float64]
    baseline_labels: NDArray[np.float64]
    baseline_values: NDArray[np.float64]

    @property
    def axis(self) -> Axis:
        alike = np.array_equal(self.labels, self.baseline_labels)
        return curves.axis_of(self.labels) if alike else "round"

    @property
    def areas(self) -> NDArray[np.float64]:
        """(S,) the area between the curves, which is the difference of the areas under them."""
        rounds = np.broadcast_to(self.rounds.astype(np.float64), self.values.shape)
        x = self.labels if self.axis == "labels" else rounds
        return curves.area(x, self.values - self.baseline_values)

    @property
    def ends(self) -> NDArray[np.float64]:
        return np.asarray(self.values[:, -1] - self.baseline_values[:, -1])


def baseline_of(method: str, runs: Mapping[str, Runs]) -> str | None:
    """Return the method to compare with: `random+suffix` for `any+suffix`, else `random`; None without either.

    A baseline without a complete seed is none. What spends no labels is best compared with the same trick on
    images drawn at random. Where nothing is compared with `random+suffix`, it is a method like any other.
    """
    return _baseline_among(method, runs, complete=[name for name in runs if runs[name].seeds])


def with_baseline(methods: Collection[str]) -> int:
    """Return how many of these methods are compared with another one, if all of them are complete in the end."""
    baselines = {name: _baseline_among(name, methods, complete=methods) for name in methods}
    return sum(baseline not in (None, name) for name, baseline in baselines.items())


def _baseline_among(method: str, methods: Collection[str], *, complete: Collection[str]) -> str | None:
    strategy, plus, suffix = method.partition("+")
    same = f"{BASELINE}{plus}{suffix}"
    alone = not any(name != same and name.partition("+")[2] == suffix for name in methods)
    for name in (BASELINE, same) if strategy == BASELINE and alone else (same, BASELINE):
        if name in complete:
            return name
    return None


def compare(runs: Mapping[str, Runs], *, level: float, seed: int) -> dict[str, Comparison | str]:
    """Compare every method with its baseline.

    Args:
        runs: By method.
        level: Of the intervals.
        seed: Of the signs drawn where there are more than 16 seeds.

    Returns:
        For each method but `all labels` and the baselines themselves, in the same order, the comparison, or why
        there is none.
    """
    baselines = {method: baseline_of(method, runs) for method in runs if method != REFERENCE}
    found = {
        method: _pair(runs, method, baseline) for method, baseline in baselines.items() if method != baseline
    }
    pairs = {method: pair for method, pair in found.items() if isinstance(pair, _Pair)}
    areas = _differences([pair.areas for pair in pairs.values()], level=level, seed=seed)
    ends = _differences([pair.ends for pair in pairs.values()], level=level, seed=seed)
    compared = {
        method: _comparison(pair, area, end, level)
        for (method, pair), area, end in zip(pairs.items(), areas, ends, strict=True)
    }
    reasons = {method: pair for method, pair in found.items() if isinstance(pair, str)}
    return {method: compared[method] if method in compared else reasons[method] for method in found}


def _pair(runs: Mapping[str, Runs], method: str, baseline: str | None) -> _Pair | str:
    ours = runs[method]
    if not ours.seeds:
        return "it has no complete seed"
    if baseline is None:
        return f"`{BASELINE}` is not among the methods with a complete seed"
    theirs = runs[baseline]
    seeds = tuple(seed for seed in ours.seeds if seed in theirs.seeds)
    rounds = np.intersect1d(ours.rounds, theirs.rounds)
    if not seeds:
        return f"no seed is complete in both {method} and {baseline}"
    if not len(rounds):
        return f"{method} and {baseline} have no round in common"
    pair = _Pair(baseline, seeds, rounds, *ours.part(seeds, rounds), *theirs.part(seeds, rounds))
    if len(rounds) == 1 and not pair.ends.any():  # trained alike on the same labels: no choice was made yet
        return "there is no round after the initial labels to compare"
    return pair


def _differences(paired: Sequence[NDArray[np.float64]], *, level: float, seed: int) -> list[Difference]:
    """Test one kind of difference for all methods, each given as (S,), and correct for their number."""
    raw = [permutation.sign_flip_p(differences, seed) for differences in paired]
    result = []
    for at, (differences, p, corrected) in enumerate(zip(paired, raw, permutation.holm(raw), strict=True)):
        mean = curves.estimate(differences, level)
        least = permutation.least_p(len(differences))
        result.append(
            Difference(
                mean=mean.mean,
                half_width=mean.half_width,
                by_seed=tuple(differences.tolist()),
                p=p,
                p_corrected=corrected,
                least_p=least,
                least_p_corrected=permutation.holm([*raw[:at], least, *raw[at + 1 :]])[at],
            )
        )
    return result


def _comparison(pair: _Pair, area: Difference, end: Difference, level: float) -> Comparison:
    spend = curves.grows(pair.labels) and curves.grows(pair.baseline_labels)
    return Comparison(
        baseline=pair.baseline,
        seeds=pair.seeds,
        rounds=tuple(pair.rounds.tolist()),
        axis=pair.axis,
        labels=round(float(pair.labels[:, -1].mean())),
        baseline_labels=round(float(pair.baseline_labels[:, -1].mean())),
        area=area,
        end=end,
        saving=_saving(pair, level) if spend else None,
    )


def _saving(pair: _Pair, level: float) -> Saving:
    budgets, targets = pair.baseline_labels[:, -1], pair.baseline_values[:, -1]
    needed = _needed(pair.labels, pair.values, targets, budgets)
    own = _needed(pair.baseline_labels, pair.baseline_values, targets, budgets)
    return Saving(
        share=curves.estimate(_shares(needed, budgets), level),
        reached=sum(labels is not None for labels in needed),
        needed=needed,
        baseline_share=curves.estimate(_shares(own, budgets), level),
    )


def _needed(
    labels: NDArray[np.float64],
    values: NDArray[np.float64],
    targets: NDArray[np.float64],
    budgets: NDArray[np.float64],
) -> tuple[float | None, ...]:
    """Return the labels each seed needs, None where it does not reach its (S,) target within its (S,) budget."""
    needed = [curves.labels_needed(*seed) for seed in zip(labels, values, targets, strict=True)]
    return tuple(
        None if count is None or count > budget else count
        for count, budget in zip(needed, budgets.tolist(), strict=True)
    )


def _shares(needed: Sequence[float | None], budgets: NDArray[np.float64]) -> NDArray[np.float64]:
    pairs = zip(needed, budgets.tolist(), strict=True)
    return np.array([0.0 if count is None else 1 - count / budget for count, budget in pairs])
