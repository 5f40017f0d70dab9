"""Judging a delivery before it is taken: who erred how often, which labels are suspects, and whether it is refused.

The labels of the delivery are judged together with those that are there, each by models that have not seen it
(see `alcli.auditing`). So the same file, brought a second time, is judged as it was the first time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import auditing, exporters, files
from alcli.auditing import Estimate, Method, duplicates
from alcli.errors import InputRejected, UsageError
from alcli.gold import Agreement
from alcli.labelling import withholding
from alcli.labelling.merging import Merge
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.quality import rad, rates
from alcli.quality.rates import Rate
from alcli.request import read_share

logger = logging.getLogger("alcli")

_TOLD_GOLD = 5  # annotators; the quality report has all
_ENOUGH_GOLD = 30  # answers to gold rows from which these decide, not what models think


@dataclass(frozen=True)
class Check:
    """How a delivery is judged, and what follows.

    Attributes:
        method: One of `auditing.METHODS`.
        budget: At most so many labels are to ask about; the other doubtful ones are dropped.
        max_error: Refuse the delivery if more than this share, such as `5%`, is wrong.
        drop_suspects: Leave out the labels to drop and to ask about; their images return to the pool.
        report: Where to write what was found, as JSON.
        relabel_list: Where to write the images to label again, the most suspicious first.
        seed: Of the cut into folds.

    Raises:
        UsageError: An option is out of range, or contradicts the method.
    """

    method: Method
    budget: int | None = None
    max_error: str | None = None
    drop_suspects: bool = False
    report: Path | None = None
    relabel_list: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        auditing.check(self.method, self.budget)
        if self.max_error is not None and (self.limit is None or self.limit > 1):
            raise UsageError(
                f"--max-error {self.max_error} is not a share from 0% to 100%", hint="--max-error 5%"
            )
        if self.relabel_list is not None:
            exporters.format_of(self.relabel_list, None)

    @property
    def limit(self) -> float | None:
        """The largest error rate that is taken; None for any."""
        share = None if self.max_error is None else read_share(self.max_error)
        return None if share is None else float(share)


@dataclass(frozen=True)
class Quality:
    """What the check of a delivery found.

    Attributes:
        method: How labels were judged.
        model: Id of the model whose signals were used.
        labels: Labels of the delivery that were judged.
        beside: Labels that were there before and were judged beside them.
        network: Of the delivery's, how many the trained network judged as C.
        decisions: How many of the delivery's there are of each decision.
        errors: How many of the delivery's labels are wrong, as estimated.
        gold: How many answers to gold rows were wrong; None where there was none.
        gold_by_annotator: The same of each annotator; None stands for nobody in particular.
        duplicates: Groups of images of equal bytes with different labels, one of them of this delivery.
        suspects: The delivery's suspects, the most suspicious first, with the columns of an audit's list.
        relabel: Images to label again, the most suspicious first: those to ask about; those to drop where the
            method asks nobody.
        gate: What decided whether the delivery is taken: `max_error`, `by`, and the `rate` that was compared with
            its lower end `low`; and whether it `passed`. None without a limit.
        left_out: Labels that are not taken because of the check.
        pseudo_labelled: Of these, images that have the judges' label as a pseudo-label now.
        changed: Whether any of these had none before, or another.
    """

    method: Method
    model: str
    labels: int
    beside: int
    network: int
    decisions: dict[str, int]
    errors: Estimate
    gold: Rate | None
    gold_by_annotator: dict[str | None, Rate]
    duplicates: list[dict[str, Any]]
    suspects: pa.Table
    relabel: pa.Table
    gate: dict[str, Any] | None
    left_out: int
    pseudo_labelled: int
    changed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        by_annotator = [
            {"annotator": name, **rate._asdict()} for name, rate in self.gold_by_annotator.items()
        ]
        return {
            **vars(self),
            "errors": self.errors.to_dict(),
            "gold": None if self.gold is None else self.gold._asdict(),
            "gold_by_annotator": by_annotator,
            "suspects": self.suspects.to_pylist(),
            "relabel": self.relabel["file_name"].to_pylist(),
        }

    def told(self) -> list[str]:
        """Say in lines what was found."""
        found = ", ".join(
            f"{count} to {what}" for what, count in self.decisions.items() if what != "keep" and count
        )
        lines = [
            f"{len(self.suspects)} of {self.labels} labels are suspects by {self.method}{found and ': '}{found}"
        ]
        if self.gold is not None:
            lines.append(f"wrong answers to gold rows {self.gold}")
            worst = sorted(
                self.gold_by_annotator.items(), key=lambda one: (-(one[1].rate or 0), one[0] or "")
            )
            lines += [
                f"  annotator {name or 'nobody in particular'}: {rate}" for name, rate in worst[:_TOLD_GOLD]
            ]
        lines += self.errors.told()
        if self.duplicates:
            lines.append(f"{len(self.duplicates)} groups of equal images have different labels")
        if self.left_out:
            lines.append(
                f"{self.left_out} labels were not taken; {self.pseudo_labelled} of these images have the judges' "
                "label as a pseudo-label"
            )
        return lines


def judge(
    project: Project,
    before: Manifest,
    outcome: Merge,
    delivered: NDArray[np.int64],
    *,
    agreement: Sequence[Agreement],
    check: Check,
) -> tuple[Merge, Quality]:
    """Judge a delivery and return what is left of it.

    The gate compares the limit with the lower end of the 95 % interval: what models count as wrong holds their own
    mistakes, so a delivery has the benefit of the doubt. From 30 answers to gold rows on, these decide instead.

    Args:
        project: The pool.
        before: Its manifest.
        outcome: What the delivery would change.
        delivered: Rows of the manifest that the delivery has a label for, gold rows left out.
        agreement: Of each annotator with the known labels of gold rows.
        check: How to judge.

    Returns:
        What the delivery changes, without the labels that are not taken, and what was found.

    Raises:
        StepMissing: There is no model, or images without signals.
        InputRejected: A class has one image only.
    """
    after = outcome.manifest
    mine = np.zeros(len(after), np.bool_)
    mine[np.setdiff1d(delivered, outcome.kept)] = True
    judged = after.labelled & after.readable & (after.equals("split", "train") | mine)
    evidence = auditing.gather(project, after, np.flatnonzero(judged), seed=check.seed)
    among = mine[evidence.rows]
    auditing.warn_of_weakness(evidence, ~among)
    found = auditing.judge(evidence, check.method, budget=check.budget, among=among)
    asking = rad.ASK if check.method in auditing.ASKING else rad.DROP
    again = found.ranked(np.flatnonzero(among & (found.decisions == asking)))
    errors = auditing.estimate(found, after, among)
    gold = {one.annotator: rates.counted(one.n, one.n - one.right) for one in agreement}
    overall = (
        rates.counted(sum(r.n for r in gold.values()), sum(r.wrong for r in gold.values())) if gold else None
    )
    _warn_of_zeal(check.method, found.counts(among)["relabel"], errors.overall)
    left = withholding.withhold(before, outcome, found, among, drop=check.drop_suspects)
    quality = Quality(
        method=check.method,
        model=evidence.model,
        labels=int(among.sum()),
        beside=int((~among).sum()),
        network=int(evidence.network[among].sum()),
        decisions=found.counts(among),
        errors=errors,
        gold=overall,
        gold_by_annotator=gold,
        duplicates=duplicates.disputed(after, mine),
        suspects=auditing.tabulated(found, after, found.suspects(among)),
        relabel=_to_label(after, evidence.rows[again]),
        gate=_gate(check.limit, errors.overall, overall),
        left_out=left.labels,
        pseudo_labelled=left.guesses,
        changed=left.changed > 0,
    )
    return left.outcome, quality


def finish(quality: Quality, check: Check, path: Path) -> None:
    """Write what was asked for about a delivery, and refuse it if it does not pass the gate.

    Raises:
        InputRejected: More labels are wrong than may be.
        CannotWrite: The disk is full or read-only.
    """
    if check.report:
        files.write_json(check.report, {"schema": "alcli/quality/1", "file": str(path), **quality.to_dict()})
    if check.relabel_list:
        exporters.save(quality.relabel, check.relabel_list, exporters.format_of(check.relabel_list, None))
    gate = quality.gate
    if gate and not gate["passed"]:
        raise InputRejected(
            f"{path}: at least {gate['low']:.1%} of the labels are wrong by {gate['by']}, more than "
            f"--max-error {check.max_error}; nothing was imported",
            hint="--relabel-list FILE writes which to label again" if not check.relabel_list else None,
            details=quality.told(),
        )


def _gate(limit: float | None, errors: Rate, gold: Rate | None) -> dict[str, Any] | None:
    """Return what decides whether the delivery is taken; nothing where any is."""
    if limit is None:
        return None
    by_gold = gold is not None and gold.n >= _ENOUGH_GOLD
    rate = gold if by_gold and gold is not None else errors
    return {
        "max_error": limit,
        "by": "gold rows" if by_gold else "confident learning",
        "rate": rate.rate,
        "low": rate.low,
        "passed": rate.low <= limit,
    }


def _warn_of_zeal(method: Method, overruled: int, errors: Rate) -> None:
    """Say so where models overrule people more often than people are wrong."""
    if overruled > errors.high * errors.n:
        logger.warning(
            "%s overrules %d of %d labels, but about %d are wrong: the models err more than the people; "
            "`--check confident-learning` overrules nobody",
            method,
            overruled,
            errors.n,
            errors.wrong,
        )


def _to_label(manifest: Manifest, rows: NDArray[np.int64]) -> pa.Table:
    """Return a list for whoever labels again. It hides the label and the guesses: they would bias the answer."""
    return pa.table(
        {
            "rank": pa.array(np.arange(1, len(rows) + 1)),
            "alcli_id": pa.array(manifest.strings("alcli_id", rows), pa.string()),
            "file_name": pa.array(manifest.strings("file_name", rows), pa.string()),
            "label": pa.nulls(len(rows), pa.string()),
        }
    )
