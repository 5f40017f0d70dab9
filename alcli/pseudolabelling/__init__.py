"""Labels that the models give by themselves, where they are sure: CEAL's high-confidence set and Triplet AL.

Only the `pseudo_*` columns are written, and only for pool images that nobody labelled and that are not out
for labelling. Each run takes further images; what an earlier run labelled stays until a person labels the
image, or until `clear` empties the columns. With `decay` the rule is that of CEAL (Wang et al., 2017,
arXiv:1701.03551): a run chooses anew, by the threshold of the current round, and what it labels goes back to the
pool when `select` opens the next round (`guesses.at_round`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import guesses, ledger, models
from alcli import manifest as manifests
from alcli.errors import InputRejected, PoolExhausted, StepMissing
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.pseudolabelling import accepting, judging
from alcli.pseudolabelling.accepting import Precision, Rule
from alcli.pseudolabelling.decaying import Decay, Step
from alcli.pseudolabelling.judging import Method
from alcli.schema import GUESSED
from alcli.signals import SignalStore

__all__ = ["Decay", "Method", "Precision", "PseudolabelReport", "Rule", "Step", "pseudolabel"]

logger = logging.getLogger("alcli")


@dataclass(frozen=True)
class PseudolabelReport:
    """What a run of `pseudolabel` did.

    Attributes:
        method: The method; None where pseudo-labels were only cleared.
        model: Id of the model whose signals were used.
        candidates: Images that could have been labelled.
        outliers: Of these, left out because of their distance.
        labelled: Of these, labelled now.
        by_class: How many of each class were.
        surest: p1, H or D2 - D1 of the surest image labelled now; None where none was.
        least_sure: The same of the least sure one.
        cleared: Pseudo-labels of earlier runs that were removed.
        total: Pseudo-labels that there are now.
        precision: On the validation split; None where no image of it is labelled.
        step: Where the schedule of a rule with `decay` stands.
    """

    method: str | None
    model: str | None
    candidates: int
    outliers: int
    labelled: int
    by_class: dict[str, int]
    surest: float | None
    least_sure: float | None
    cleared: int
    total: int
    precision: Precision | None
    step: Step | None = None


def pseudolabel(
    project: Project, rule: Rule | None, *, clear: bool = False, dry_run: bool = False
) -> PseudolabelReport:
    """Label what the newest model is sure of.

    Args:
        project: The pool.
        rule: Which images; None only clears.
        clear: Remove all earlier pseudo-labels first.
        dry_run: Count, and leave the manifest as it is.

    Raises:
        UsageError: The rule contradicts itself.
        StepMissing: There is no manifest, model or signal, or no validation label for `min_precision`.
        PoolExhausted: No image is left to label.
        InputRejected: The precision is below `min_precision`; nothing was changed.
    """
    project.require_manifest()
    if rule:
        rule.check()
    with contextlib.nullcontext() if dry_run else ledger.writing(project, "pseudolabel"):
        before = manifests.read(project.manifest)
        step = _step(project, rule, before.round)
        gone = before.filled("pseudo_label") if clear else guesses.passing(before) & (step is not None)
        manifest = guesses.removed(before, gone)
        report = PseudolabelReport(None, None, 0, 0, 0, {}, None, None, int(gone.sum()), 0, None, step)
        if rule and step and step.ended is not None:
            report = dataclasses.replace(report, method=rule.method)
        elif rule:
            asked = dataclasses.replace(rule, threshold=step.delta) if step else rule
            manifest, report = _label(project, manifest, asked, report)
        report = dataclasses.replace(report, total=int(manifest.filled("pseudo_label").sum()))
        if not dry_run:
            _write(project, before, manifest, _facts(rule, report, before.round), step)
    return report


def _step(project: Project, rule: Rule | None, round_: int) -> Step | None:
    """Return where the rule's schedule stands; None where it has none."""
    schedule = rule.schedule if rule else None
    return Step.of(schedule, ledger.standing(project), round_) if schedule else None


def _write(
    project: Project, before: Manifest, after: Manifest, facts: dict[str, Any], step: Step | None
) -> None:
    """Commit what changed; that a schedule was followed is written down in any case, its rounds count."""
    if not all(after.table[name].equals(before.table[name]) for name in GUESSED):
        ledger.commit(project, after, command="pseudolabel", **facts)
    elif step and not step.noted:
        ledger.note(project, "pseudolabel", **facts)


def _label(
    project: Project, manifest: Manifest, rule: Rule, report: PseudolabelReport
) -> tuple[Manifest, PseudolabelReport]:
    """Return the manifest with the pseudo-labels that `rule` gives, and the report on them."""
    record = models.newest(project)
    candidates = np.flatnonzero(_candidates(project, manifest))
    checked = np.flatnonzero(manifest.labelled & manifest.equals("split", "val") & manifest.readable)
    needed = np.zeros(len(manifest), np.bool_)
    needed[np.concatenate([candidates, checked])] = True
    judge = judging.find(rule.method, project, manifest, record, needed)
    store = SignalStore(record.signals(project))
    limit = _limit(rule, judge)
    keys = manifest.keys[candidates]
    judged = judging.judge(judge, store, keys)
    strange = int((judged.labels < 0).sum())
    if strange:
        logger.warning(
            "%d images left out: model %s takes them for classes that the pool has not", strange, record.id
        )
    near = judged.distance <= limit
    taken = accepting.accept(rule, judged, keys, near)
    held_out = judging.judge(judge, store, manifest.keys[checked])
    labels = manifest.label_codes[checked]
    precision = accepting.measure(
        rule, judged=judged, taken=taken, held_out=held_out, labels=labels, limit=limit
    )
    _check_precision(project, rule, precision)
    names = np.array([*manifest.classes, None], object)[judged.labels[taken]]
    labelled = manifest.assign(
        candidates[taken],
        pseudo_label=names,
        pseudo_confidence=judged.confidence[taken],
        pseudo_method=rule.written,
        pseudo_round=manifest.round,
    )
    counts = np.bincount(judged.labels[taken], minlength=len(manifest.classes)).tolist()
    sureness = np.abs(judged.sureness[taken]) if rule.method == "entropy" else judged.sureness[taken]
    return labelled, dataclasses.replace(
        report,
        method=rule.method,
        model=record.id,
        candidates=len(candidates),
        outliers=int((~near).sum()),
        labelled=len(taken),
        by_class={name: count for name, count in zip(manifest.classes, counts, strict=True) if count},
        surest=float(sureness[0]) if len(taken) else None,
        least_sure=float(sureness[-1]) if len(taken) else None,
        precision=precision,
    )


def _candidates(project: Project, manifest: Manifest) -> NDArray[np.bool_]:
    """Return (n,) the images that may get a pseudo-label now.

    Raises:
        PoolExhausted: There is none.
    """
    queryable, done = manifest.queryable, manifest.filled("pseudo_label")
    if not queryable.any():
        raise PoolExhausted(
            "no image is left to label: all are labelled, held out, unreadable, or out for labelling"
        )
    if done[queryable].all():
        raise PoolExhausted(
            f"all {int(queryable.sum())} images that could be labelled have a pseudo-label already",
            hint=f"{project.command('pseudolabel', '--clear')} removes them",
        )
    return queryable & ~done


def _limit(rule: Rule, judge: judging.Judge) -> float:
    """Return the largest distance to a centre that is not an outlier's."""
    if rule.max_distance_quantile is None or not isinstance(judge, judging.Triplet):
        return np.inf
    return float(np.quantile(judge.reference, rule.max_distance_quantile))


def _check_precision(project: Project, rule: Rule, precision: Precision | None) -> None:
    """Check that the rule is as right as was asked for.

    Raises:
        StepMissing: There is nothing to measure it on.
        InputRejected: It is not.
    """
    if rule.min_precision is None:
        return
    if precision is None:
        raise StepMissing(
            "--min-precision needs labelled images in the val split, and there are none",
            hint=project.command("import-labels", "LABELS.csv"),
        )
    if precision.value is None:
        raise InputRejected(
            f"none of the {precision.of} validation images is accepted, so the precision is not known; "
            "nothing was labelled",
            hint="accept more: a larger -k, or a looser --threshold",
        )
    if precision.value < rule.min_precision:
        raise InputRejected(
            f"precision on validation is {precision.value:.1%} of {precision.accepted} accepted, below "
            f"--min-precision {rule.min_precision:g}; nothing was labelled",
            hint="accept fewer: a smaller -k, or a stricter --threshold",
        )


def _facts(rule: Rule | None, report: PseudolabelReport, round_: int) -> dict[str, Any]:
    """Return what the journal keeps."""
    said = (
        {name: value for name, value in dataclasses.asdict(rule).items() if value is not None} if rule else {}
    )
    facts = {**said, "model": report.model, "labelled": report.labelled, "cleared": report.cleared}
    if report.precision:
        facts["precision"] = report.precision.value
    if report.step:
        facts |= {"round": round_, "t": report.step.t, "delta": report.step.delta}
    return facts
