"""Which images a rule labels, and how often that is right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from alcli import ranking, rounds
from alcli.errors import UsageError
from alcli.guesses import PASSING
from alcli.pseudolabelling.decaying import Decay, Schedule
from alcli.pseudolabelling.judging import DECIMALS, Judgements, Method
from alcli.quotas import occurrence


@dataclass(frozen=True)
class Rule:
    """Which images are labelled: the `k` surest, or all that reach `threshold`.

    Attributes:
        method: What "sure" means. `confidence`: the largest calibrated probability p1 is at least the
            threshold. `entropy`: H in nats is strictly below the threshold δ (Wang et al., 2017,
            arXiv:1701.03551). `triplet-margin`: the Top-Two-Margin D2 - D1 to the class centres, in embedding
            units, is at least the threshold (Sundriyal et al., 2021, doi:10.1609/aaai.v35i18.17948).
        k: How many images, at least 1.
        threshold: In the method's own unit.
        per_class: At most this many of each predicted class, the surest first.
        max_distance_quantile: Only for `triplet-margin`: leave out images further from their centre than
            this quantile, in [0, 1], of the labelled images' own distances; an outlier far behind a centre
            has a large margin too.
        min_precision: Write nothing if less than this share, in [0, 1], is right on the validation split.
        decay: Only for `entropy` with a threshold, which is δ0 then: how it is lowered from round to round. The
            labels go when the next round begins.
        rate: How fast, in nats, at least 0.
    """

    method: Method
    k: int | None = None
    threshold: float | None = None
    per_class: int | None = None
    max_distance_quantile: float | None = None
    min_precision: float | None = None
    decay: Decay | None = None
    rate: float | None = None

    @property
    def written(self) -> str:
        """The method as the manifest has it: what it says tells whether a label outlives its round."""
        return f"{PASSING}{self.method}" if self.decay else self.method

    @property
    def schedule(self) -> Schedule | None:
        """How the threshold is lowered; None where it is not."""
        if self.decay is None or self.threshold is None:
            return None
        return Schedule(self.threshold, self.decay, self.rate or 0.0)

    def check(self) -> None:
        """Check what depends on no data.

        Raises:
            UsageError: The rule contradicts itself.
        """
        if (self.k is None) == (self.threshold is None):
            raise UsageError(
                "exactly one of -k and --threshold says which images", hint=f"--method {self.method} -k 1000"
            )
        if self.threshold is not None and not np.isfinite(self.threshold):
            raise UsageError(f"--threshold {self.threshold}: a finite number is expected")
        if self.max_distance_quantile is not None and self.method != "triplet-margin":
            raise UsageError(
                f"--max-distance-quantile: --method {self.method} measures no distance, triplet-margin does"
            )
        self._check_decay()

    def _check_decay(self) -> None:
        example = "--method entropy --threshold 0.05 --decay linear --rate 0.0033"
        if self.decay is None:
            if self.rate is not None:
                raise UsageError("--rate says how fast --decay is, which is missing", hint=example)
            return
        if self.decay not in get_args(Decay):
            raise UsageError(f"unknown --decay '{self.decay}'", hint=f"one of: {', '.join(get_args(Decay))}")
        if self.method != "entropy" or self.threshold is None:
            raise UsageError("--decay lowers the --threshold of --method entropy", hint=example)
        if self.threshold <= 0:
            raise UsageError(f"--threshold {self.threshold:g}: --decay begins above 0", hint=example)
        if self.rate is None and self.decay != "constant":
            raise UsageError(f"--decay {self.decay} needs --rate, in nats", hint=example)
        if self.rate is not None and not 0 <= self.rate < math.inf:
            raise UsageError(f"--rate {self.rate:g}: a number from 0 is needed", hint=example)

    def reached(self, sureness: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (n,) whether `sureness`, as a judge gives it, reaches the threshold, if there is one."""
        if self.threshold is None:
            return np.ones(len(sureness), np.bool_)
        bar = self.threshold if self.method == "triplet-margin" else float(np.float32(self.threshold))
        bar = round(bar, DECIMALS)  # as what it is compared to was: an image of just 0.9 reaches 0.9
        return sureness > -bar if self.method == "entropy" else sureness >= bar


@dataclass(frozen=True)
class Precision:
    """How often the same rule is right on the labelled images of the validation split.

    Attributes:
        accepted: How many of these images the rule labels.
        of: How many there are.
        correct: How many of the accepted it labels right.
        value: correct / accepted; None where nothing is accepted.
        low: Lower end of the 95 % Clopper-Pearson interval.
        high: Upper end.
    """

    accepted: int
    of: int
    correct: int
    value: float | None
    low: float
    high: float


def accept(
    rule: Rule, judged: Judgements, keys: NDArray[np.uint64], near: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the positions of the images that the rule labels, the surest first.

    Args:
        rule: The rule.
        judged: n images.
        keys: (n,) theirs; equals go to the smaller one.
        near: (n,) whether an image is no outlier.
    """
    rows = np.flatnonzero(near & (judged.labels >= 0) & rule.reached(judged.sureness))
    wanted = len(rows) if rule.k is None else rule.k
    if rule.per_class is None:
        return ranking.top(judged.sureness, keys, wanted, rows=rows)
    order = ranking.top(judged.sureness, keys, len(rows), rows=rows)
    return order[occurrence(judged.labels[order]) < rule.per_class][:wanted]


def measure(
    rule: Rule,
    *,
    judged: Judgements,
    taken: NDArray[np.int64],
    held_out: Judgements,
    labels: NDArray[np.int32],
    limit: float,
) -> Precision | None:
    """Apply the same rule to labelled images that it was not made from.

    With `k` or `per_class` the least sure image that was taken sets the threshold: one for all, or one for
    each class where classes have quotas.

    Args:
        rule: The rule.
        judged: The candidates.
        taken: Positions of those that the rule takes.
        held_out: The labelled images of the validation split.
        labels: (v,) their classes.
        limit: The largest distance that is no outlier's.
    """
    if not len(labels):
        return None
    bars = np.full(max(judged.labels.max(initial=0), held_out.labels.max(initial=0)) + 1, np.inf)
    if rule.per_class is not None:
        np.minimum.at(bars, judged.labels[taken], judged.sureness[taken])
    elif rule.k is not None:
        bars[:] = judged.sureness[taken].min(initial=np.inf)
    else:
        bars[:] = -np.inf
    accepted = (
        (held_out.labels >= 0)
        & (held_out.distance <= limit)
        & rule.reached(held_out.sureness)
        & (held_out.sureness >= bars[held_out.labels])
    )
    count, correct = int(accepted.sum()), int((held_out.labels == labels)[accepted].sum())
    return Precision(
        count, len(labels), correct, correct / count if count else None, *rounds.interval(correct, count)
    )
