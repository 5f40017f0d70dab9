"""Stopping advice: whether the rounds so far suggest that further labels would change little.

It compares what `select` wrote down in each round, so it reads a few JSON files and imports nothing heavy. It is
advice. Rules that look at the same kind of evidence agree easily, so two kinds must say `stop` before the whole
does; none says anything before a minimum of labels; and none ever looks at the test split.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from alcli import files
from alcli.project import ROUND_RECORD, Project

STOP, GO_ON, UNDECIDED = "stop", "go on", "undecided"

KAPPA, KAPPA_ROUNDS = 0.99, 3
UNCERTAINTY = 0.05
SLOPE, SLOPE_ROUNDS = 0.002, 4  # 0.2 points of accuracy per round
BATCH_UNCERTAINTY = 0.001
BATCH_ACCURACY = 0.9
LABELS, LABELS_PER_CLASS = 100, 10  # no advice below these
STOP_SET = 100  # images that two rounds must share before their predictions are compared
ANSWERED = 20  # labels of a batch that must be back before its accuracy counts

_LOOKED_AT = 64  # records read at most, newest first: `status` stays quick after a thousand rounds
_Z = 1.959964  # of a 95 % interval

Statistics = dict[str, Any]


@dataclass(frozen=True)
class Advice:
    """What one rule says.

    Attributes:
        name: The rule.
        kind: What it looks at: `predictions`, `confidence` or `accuracy`.
        threshold: What it compares with.
        rounds: The rounds that it looked at.
        value: What it measured; None where too little is known.
        says: `stop`, `go on` or `undecided`.
        sentence: Why, in words.
    """

    name: str
    kind: str
    threshold: float
    rounds: tuple[int, ...]
    value: float | None = None
    says: str = UNDECIDED
    sentence: str = ""

    def judged(self, value: float, sentence: str, *, stop: bool) -> Advice:
        """Return what the rule says of what it measured."""
        return replace(self, value=value, sentence=sentence, says=STOP if stop else GO_ON)

    def lacking(self, sentence: str) -> Advice:
        """Return that too little is known."""
        return replace(self, sentence=sentence)


@dataclass(frozen=True)
class Evidence:
    """What the rules look at.

    Attributes:
        points: The statistics of one round per model, oldest first, with `round`, and `compared_labels`, the labels
            of the model that its predictions were compared with; None where that is unknown.
        accuracies: (round, accuracy, images) of the same kind of estimate, oldest first.
        measured_on: What that estimate is of, in words.
        batch: The model's accuracy on the newest batch that is back, as in the summary; empty if unknown.
    """

    points: Sequence[Statistics]
    accuracies: Sequence[tuple[int, float, int]]
    measured_on: str
    batch: Mapping[str, Any]

    def rounds(self, last: int) -> tuple[int, ...]:
        """Return the numbers of the last rounds."""
        return tuple(point["round"] for point in self.points[-last:])


def advice(project: Project, counts: Mapping[str, Any]) -> list[Advice]:
    """Return what each rule says of the rounds so far.

    Args:
        project: The pool.
        counts: Its summary.
    """
    points = _points(project, int(counts["round"]))
    evidence = Evidence(points, *_accuracies(points, counts.get("audits", [])), counts.get("batch") or {})
    found = [rule(evidence) for rule in _RULES]
    reason = _too_early(points, max(LABELS, LABELS_PER_CLASS * len(counts["classes"])))
    if reason:
        return [replace(each, says=UNDECIDED, sentence=reason) for each in found]
    return found


def summed_up(rules: Sequence[Advice]) -> tuple[str, str]:
    """Return `stop`, `go on` or `undecided` for all rules together, and a sentence that says why."""
    stops = [rule for rule in rules if rule.says == STOP]
    rising = any(rule.name == "plateau" and rule.says == GO_ON for rule in rules)
    names = " and ".join(rule.name for rule in stops)
    if all(rule.says == UNDECIDED for rule in rules):
        same = len({rule.sentence for rule in rules}) == 1
        return UNDECIDED, rules[0].sentence if same else "too little is known yet"
    if not stops:
        return GO_ON, "no rule suggests to stop"
    if rising:
        return GO_ON, f"accuracy still rises, though {names} would stop"
    if len({rule.kind for rule in stops}) == 1:
        return GO_ON, f"only {names} would stop; two rules that look at different things should agree"
    return STOP, f"{names} agree that further labels would change little; the decision is yours"


def recorded(project: Project, number: int) -> Statistics:
    """Return the statistics that `select` wrote down in a round; nothing where the record is lost."""
    try:
        return dict(files.read_json(project.round_folder(number) / ROUND_RECORD)["statistics"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def slope(accuracies: Sequence[tuple[float, int]]) -> tuple[float, float, float]:
    """Return the least-squares slope of accuracies, per step, and its 95 % interval.

    The interval is what a parametric bootstrap of binomial accuracies tends to with many draws, in closed form: a
    weighted sum of independent estimates. Each one's variance is Agresti and Coull's (1998), which is not zero
    where all images were right. Accuracies of the same images vary less against each other, so there it is wide.

    Args:
        accuracies: (accuracy, images), at least two.
    """
    middle = (len(accuracies) - 1) / 2
    spread = sum((step - middle) ** 2 for step in range(len(accuracies)))
    weights = [(step - middle) / spread for step in range(len(accuracies))]
    found = sum(weight * accuracy for weight, (accuracy, _) in zip(weights, accuracies, strict=True))
    variance = 0.0
    for weight, (accuracy, n) in zip(weights, accuracies, strict=True):
        share = (accuracy * n + 2) / (n + 4)
        variance += weight**2 * share * (1 - share) / (n + 4)
    half = _Z * math.sqrt(variance)
    return found, found - half, found + half


def _points(project: Project, newest: int) -> list[Statistics]:
    """Return the newest rounds of the last models, each of which had learned from more labels than the one before.

    Rounds that one model chose, and models that were trained on the same labels again, tell nothing about what
    further labels change.
    """
    found: list[Statistics] = []
    for number in range(newest, max(0, newest - _LOOKED_AT), -1):
        known = recorded(project, number)
        if not known.get("model"):
            continue
        after = found[-1] if found else None
        if after is None or (known["model"] != after["model"] and known["labels"] < after["labels"]):
            compared = recorded(project, known.get("compared_with") or 0)
            found.append({**known, "round": number, "compared_labels": compared.get("labels")})
        if len(found) == SLOPE_ROUNDS:
            break
    return found[::-1]


def _accuracies(
    points: Sequence[Statistics], audits: Sequence[Mapping[str, Any]]
) -> tuple[list[tuple[int, float, int]], str]:
    """Return the accuracies to look at and what they are of: audits, which are unbiased, where there are enough."""
    by_model = {audit.get("model"): (audit["round"], audit["accuracy"], audit["n"]) for audit in audits}
    audited = list(by_model.values())[-SLOPE_ROUNDS:]
    if points and len(audited) == SLOPE_ROUNDS and audited[-1][0] >= points[0]["round"]:
        return audited, "in the audits"
    known = [(point["round"], point["held_out"]) for point in points if point.get("held_out")]
    return [(number, held["accuracy"], held["n"]) for number, held in known], "on the validation split"


def _too_early(points: Sequence[Statistics], needed: int) -> str:
    """Return why nothing can be said yet; nothing where it can."""
    if not points:
        return "no round was selected with a model yet"
    if points[-1]["labels"] < needed:
        return f"{points[-1]['labels']} labels are too few: advice starts at {needed}"
    return ""


def _kappa(evidence: Evidence) -> Advice:
    """Stabilising predictions (Bloodgood and Vijay-Shanker, 2009)."""
    rule = Advice("kappa", "predictions", KAPPA, evidence.rounds(KAPPA_ROUNDS))
    known = [point["kappa"] for point in evidence.points[-KAPPA_ROUNDS:] if _comparable(point)]
    if len(known) < KAPPA_ROUNDS:
        return rule.lacking(
            f"{len(known)} of {KAPPA_ROUNDS} rounds can be compared with a model of fewer labels"
        )
    value = sum(known) / len(known)
    sentence = f"predictions agree with those of the model before by a kappa of {value:.3f}"
    return rule.judged(value, sentence, stop=value >= KAPPA)


def _classification_change(evidence: Evidence) -> Advice:
    """No prediction on the stop set changed since the model before."""
    rule = Advice("classification-change", "predictions", 0, evidence.rounds(1))
    if not evidence.points or not _comparable(point := evidence.points[-1]):
        return rule.lacking("the newest round cannot be compared with a model of fewer labels")
    sentence = f"{point['changed']} of {point['compared']} predictions changed since the model before"
    return rule.judged(point["changed"], sentence, stop=point["changed"] == 0)


def _overall_uncertainty(evidence: Evidence) -> Advice:
    """Overall uncertainty (Zhu, Wang and Hovy, 2008)."""
    rule = Advice("overall-uncertainty", "confidence", UNCERTAINTY, evidence.rounds(1))
    return _sure(rule, evidence, "uncertainty", "the mean entropy of the pool")


def _max_confidence(evidence: Evidence) -> Advice:
    """Max-confidence (Zhu, Wang and Hovy, 2008)."""
    rule = Advice("max-confidence", "confidence", BATCH_UNCERTAINTY, evidence.rounds(1))
    return _sure(rule, evidence, "batch_uncertainty", "the greatest entropy in the batch")


def _sure(rule: Advice, evidence: Evidence, of: str, what: str) -> Advice:
    """Judge an entropy of the newest round, which is low where the model is sure."""
    value = evidence.points[-1].get(of) if evidence.points else None
    if value is None:
        return rule.lacking("the newest round has no saved entropies")
    return rule.judged(value, f"{what} is {value:.2%} of the greatest possible", stop=value < rule.threshold)


def _plateau(evidence: Evidence) -> Advice:
    """The accuracy on images drawn at random rises no longer; see `slope`."""
    used = evidence.accuracies[-SLOPE_ROUNDS:]
    rule = Advice("plateau", "accuracy", SLOPE, tuple(number for number, *_ in used))
    if len(used) < SLOPE_ROUNDS:
        return rule.lacking(f"{len(used)} of {SLOPE_ROUNDS} rounds have an accuracy {evidence.measured_on}")
    value, low, high = slope([(accuracy, n) for _, accuracy, n in used])
    sentence = (
        f"accuracy {evidence.measured_on} changes by {100 * value:+.2f} points a round "
        f"(95 % interval {100 * low:+.2f} to {100 * high:+.2f})"
    )
    if low < SLOPE <= high:
        return replace(rule, value=value, sentence=sentence)
    return rule.judged(value, sentence, stop=high < SLOPE)


def _batch_accuracy(evidence: Evidence) -> Advice:
    """Selected accuracy (Zhu, Wang and Hovy, 2008): the model was right on a batch before it learned it."""
    batch = evidence.batch
    rule = Advice("batch-accuracy", "accuracy", BATCH_ACCURACY, (batch["round"],) if batch else ())
    if not batch or batch["n"] < ANSWERED:
        return rule.lacking(f"fewer than {ANSWERED} labels came back for guesses in the newest batch")
    share = batch["correct"] / batch["n"]
    sentence = f"the model was right on {batch['correct']} of {batch['n']} images of the newest batch"
    return rule.judged(share, sentence, stop=share >= BATCH_ACCURACY)


_RULES: tuple[Callable[[Evidence], Advice], ...] = (
    _kappa,
    _classification_change,
    _overall_uncertainty,
    _max_confidence,
    _plateau,
    _batch_accuracy,
)


def _comparable(point: Statistics) -> bool:
    """Return whether it is known what the predictions changed since a model that had learned from fewer labels."""
    if point.get("kappa") is None or point["compared_labels"] is None:
        return False
    return bool(point["compared_labels"] < point["labels"] and point["compared"] >= STOP_SET)
