"""Which labels are suspects, and what becomes of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import votebook
from alcli.auditing.evidence import Evidence, Rows
from alcli.errors import Remedy, UsageError
from alcli.manifest import Manifest
from alcli.quality import confident, rad, rates
from alcli.quality.rates import Rate

logger = logging.getLogger("alcli")

Method = Literal["confident-learning", "rad", "rad-voting", "rad-active", "rad-slim"]

METHODS: tuple[Method, ...] = ("confident-learning", "rad", "rad-voting", "rad-active", "rad-slim")
ASKING = ("confident-learning", "rad-active", "rad-slim")
_TOLD = 10  # classes and annotators
_WEAK = 2 / 3  # judges who agree with fewer of the labels err more often than people are likely to
COLUMNS = pa.schema(
    [
        ("rank", pa.int64()),
        ("alcli_id", pa.string()),
        ("file_name", pa.string()),
        ("label", pa.string()),
        ("suggested_label", pa.string()),
        ("suspicion", pa.float64()),
        ("decision", pa.string()),
        ("method", pa.string()),
        ("label_model_guess", pa.string()),
        ("classifier_guess", pa.string()),
        ("annotator", pa.string()),
    ]
)


@dataclass(frozen=True)
class Findings:
    """The verdict on n labels.

    Attributes:
        evidence: What it rests on.
        method: How it was reached.
        decisions: (n,) int8 positions in `rad.DECISIONS`.
        suggested: (n,) codes of the likeliest class other than the label, in the mean of L's and C's probabilities.
        suspicion: (n,) in [0, 1]: 1 less the label's normalised margin in that mean, whatever the method.
        errors: (n,) the labels that count as wrong in the estimated error rate: those off the diagonal of the
            confident joint, whatever the method.
    """

    evidence: Evidence
    method: Method
    decisions: NDArray[np.int8]
    suggested: Rows
    suspicion: NDArray[np.float64]
    errors: NDArray[np.bool_]

    def suspects(self, among: NDArray[np.bool_] | None = None) -> Rows:
        """Return positions of the labels that are not simply kept, the most suspicious first.

        Args:
            among: (n,) consider only these.
        """
        doubted = self.decisions != rad.KEEP
        return self.ranked(np.flatnonzero(doubted if among is None else doubted & among))

    def ranked(self, positions: Rows) -> Rows:
        """Return positions in order of suspicion; of equals the one with the smaller id comes first."""
        keys = self.evidence.keys[positions]
        return positions[np.lexsort((keys, -np.round(self.suspicion[positions], 10)))]

    def counts(self, among: NDArray[np.bool_] | None = None) -> dict[str, int]:
        """Return how many labels there are of each decision."""
        decisions = self.decisions if among is None else self.decisions[among]
        counted = np.bincount(decisions, minlength=len(rad.DECISIONS)).tolist()
        return dict(zip(rad.DECISIONS, counted, strict=True))


def check(method: str, budget: int | None, *, option: str = "--method") -> None:
    """Check what depends on no data.

    Args:
        method: One of `METHODS`.
        budget: At most so many labels are to ask about.
        option: What the command line calls the method.

    Raises:
        UsageError: There is no such method, or it asks nobody and has a budget for it.
    """
    if method not in METHODS:
        raise UsageError(f"unknown method '{method}'", hint=f"one of: {', '.join(METHODS)}")
    if budget is not None and method not in ASKING:
        raise UsageError(
            f"--oracle-budget: {method} asks nobody", remedies=[Remedy((f"{option}=rad-active",))]
        )


def judge(
    evidence: Evidence, method: Method, *, budget: int | None = None, among: NDArray[np.bool_] | None = None
) -> Findings:
    """Reach a verdict.

    `confident-learning` would have a person look at each label that cleanlab finds. Where the budget allows fewer
    questions, it asks about the most suspicious labels; RAD's methods ask where C is the least confident.

    Args:
        evidence: Both opinions about each label.
        method: One of `METHODS`.
        budget: At most so many labels are to ask about; the others are dropped.
        among: (n,) the labels that the budget is for; None for all.
    """
    codes, belief = evidence.codes, evidence.belief
    suspicion = confident.suspicion(codes, belief)
    if method == "confident-learning":
        found = confident.issues(codes, belief)
        decisions, urgency = np.where(found, rad.ASK, rad.KEEP).astype(np.int8), suspicion
    else:
        guesses = evidence.label_model.argmax(axis=1), evidence.classifier.argmax(axis=1)
        decisions, urgency = (
            rad.decide(codes, *guesses, method).decisions,
            1 - evidence.classifier.max(axis=1),
        )
    mine = np.ones(len(codes), np.bool_) if among is None else among
    decisions[mine] = rad.within_budget(decisions[mine], urgency[mine], evidence.keys[mine], budget)
    others = belief.copy()
    others[np.arange(len(codes)), codes] = -1.0
    return Findings(
        evidence,
        method,
        decisions,
        others.argmax(axis=1),
        suspicion,
        confident.errors(codes, belief),
    )


def warn_of_weakness(evidence: Evidence, trusted: NDArray[np.bool_] | None = None) -> None:
    """Say so where the judges contradict so many labels that an estimate says more of them than of the labels.

    Args:
        evidence: What they think.
        trusted: (n,) go by these labels; None, or none of them, goes by all.
    """
    mine = slice(None) if trusted is None or not trusted.any() else trusted
    agreed = float((evidence.belief[mine].argmax(axis=1) == evidence.codes[mine]).mean())
    if agreed < _WEAK:
        logger.warning(
            "the judges agree with only %.0f%% of the labels%s: unless so many are wrong, most of the estimated "
            "error rate is their own; `alcli select --gold 10%%` measures the people instead",
            100 * agreed,
            "" if isinstance(mine, slice) else " that were there before",
        )


def tabulated(findings: Findings, manifest: Manifest, positions: Rows) -> pa.Table:
    """Return the labels at `positions`, in this order, with the columns of `COLUMNS`.

    Args:
        findings: The verdict.
        manifest: The one that was judged.
        positions: (r,) positions in the evidence.
    """
    evidence, rows = findings.evidence, findings.evidence.rows[positions]
    names = np.array([*evidence.classes, None], object)
    columns = {
        "rank": np.arange(1, len(positions) + 1),
        "alcli_id": manifest.strings("alcli_id", rows),
        "file_name": manifest.strings("file_name", rows),
        "label": names[evidence.codes[positions]],
        "suggested_label": names[findings.suggested[positions]],
        "suspicion": [float(f"{value:.7g}") for value in findings.suspicion[positions]],
        "decision": np.array(rad.DECISIONS, object)[findings.decisions[positions]],
        "method": [findings.method] * len(positions),
        "label_model_guess": names[evidence.label_model[positions].argmax(axis=1)],
        "classifier_guess": names[evidence.classifier[positions].argmax(axis=1)],
        "annotator": manifest.strings("annotator", rows),
    }
    return pa.table([pa.array(columns[f.name], f.type) for f in COLUMNS], schema=COLUMNS)


@dataclass(frozen=True)
class Estimate:
    """How many labels are wrong, by confident learning on L's and C's opinions, whatever the method.

    The judges' own mistakes count as wrong labels too, more of them where images are hard to tell apart.

    Attributes:
        overall: Of all labels.
        by_class: Of each class that was given.
        by_annotator: Of each annotator who is named; a label that several gave counts for each.
    """

    overall: Rate
    by_class: dict[str, Rate]
    by_annotator: dict[str, Rate]

    def told(self) -> list[str]:
        """Say in lines how many are wrong: overall, and of the annotators and classes with the largest share."""
        lines = [f"estimated error rate {self.overall}"]
        for kind, group in (("annotator", self.by_annotator), ("class", self.by_class)):
            worst = sorted(group.items(), key=lambda item: (-(item[1].rate or 0), item[0]))
            lines += [f"  {kind} {name}: {rate}" for name, rate in worst[:_TOLD] if rate.wrong]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        groups = {"by_class": self.by_class, "by_annotator": self.by_annotator}
        return {
            "overall": self.overall._asdict(),
            **{name: {key: rate._asdict() for key, rate in group.items()} for name, group in groups.items()},
        }


def estimate(
    findings: Findings, manifest: Manifest, votes: pa.Table, among: NDArray[np.bool_] | None = None
) -> Estimate:
    """Estimate how many of the labels, or of those `among` (n,), are wrong.

    Args:
        findings: The verdict.
        manifest: The one that was judged.
        votes: Who said what; see `votebook.givers`.
        among: (n,) consider only these.
    """
    evidence = findings.evidence
    at = np.arange(len(evidence.rows)) if among is None else np.flatnonzero(among)
    wrong = findings.errors[at]
    given: dict[str, list[int]] = {}
    for position, names in enumerate(votebook.givers(manifest, evidence.rows[at], votes)):
        for name in names:
            given.setdefault(name, []).append(position)
    return Estimate(
        rates.rate(wrong),
        rates.by_group(wrong, evidence.codes[at], evidence.classes),
        {name: rates.rate(wrong[positions]) for name, positions in sorted(given.items())},
    )
