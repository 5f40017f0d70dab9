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

from alcli import auditing, exporters, files, hindsight
from alcli.auditing import Method, duplicates
from alcli.errors import InputRejected, UsageError
from alcli.gold import Agreement
from alcli.labelling import withholding
from alcli.labelling.assessment import Quality
from alcli.labelling.merging import Merge
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.quality import rad, rates
from alcli.quality.rates import Rate
from alcli.request import read_share

logger = logging.getLogger("alcli")

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
        auditing.check(self.method, self.budget, option="--check")
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


def judge(
    project: Project,
    before: Manifest,
    outcome: Merge,
    delivered: NDArray[np.int64],
    *,
    votes: pa.Table,
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
        votes: What named annotators said, in this delivery and before.
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
    errors = auditing.estimate(found, after, votes, among)
    gold = _all_gold(agreement)
    _warn_of_zeal(check.method, found.counts(among)["relabel"], errors.overall)
    audited = hindsight.answers_to_audits(project, after)
    left = withholding.withhold(before, outcome, found, among, audited=audited, drop=check.drop_suspects)
    quality = Quality(
        method=check.method,
        model=evidence.model,
        labels=int(among.sum()),
        beside=int((~among).sum()),
        network=int(evidence.network[among].sum()),
        decisions=found.counts(among),
        errors=errors,
        gold=gold,
        gold_by_annotator={one.annotator: rates.counted(one.n, one.n - one.right) for one in agreement},
        duplicates=duplicates.disputed(after, mine),
        suspects=auditing.tabulated(found, after, found.suspects(among)),
        relabel=_to_label(after, evidence.rows[again]),
        gate=_gate(check.limit, errors.overall, gold),
        left_out=left.labels,
        audited=left.audited,
        labelled_before=left.there,
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


def _all_gold(agreement: Sequence[Agreement]) -> Rate | None:
    """Return how many answers to gold rows were wrong, whoever gave them; None where there was none."""
    answered = sum(one.n for one in agreement)
    return rates.counted(answered, answered - sum(one.right for one in agreement)) if agreement else None


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
