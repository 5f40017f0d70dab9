"""Judging the labels that people gave: which are suspects, and how many are wrong.

A label is judged by models that have not seen it; see `evidence` for who judges and `findings` for how.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from alcli import ledger, summary, votebook
from alcli.auditing import recording
from alcli.auditing.evidence import Evidence, TooFewLabels, gather
from alcli.auditing.findings import (
    ASKING,
    METHODS,
    Estimate,
    Findings,
    Method,
    check,
    estimate,
    judge,
    tabulated,
    warn_of_weakness,
)
from alcli.auditing.recording import listing, newest
from alcli.project import Project

__all__ = [
    "ASKING",
    "METHODS",
    "AuditReport",
    "Estimate",
    "Evidence",
    "Findings",
    "Method",
    "TooFewLabels",
    "audit",
    "check",
    "estimate",
    "gather",
    "judge",
    "listing",
    "newest",
    "tabulated",
    "warn_of_weakness",
]

logger = logging.getLogger("alcli")

_FROZEN = ("--pretrained", "--freeze-backbone")
_BENT = (
    "model %s learned from some of these labels, so its embeddings repeat wrong ones, which then look right; "
    "a backbone that stays as it is does not learn them: `%s`"
)


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes:
        path: Where the suspects are recorded.
        table: The suspects, the most suspicious first, with the columns of `findings.COLUMNS`.
        method: How labels were judged.
        model: Id of the model whose signals were used.
        labels: How many labels were judged.
        network: Of these, by the trained network as C; of the others it had learned the label.
        suspects: How many are not simply kept.
        decisions: How many there are of each decision.
        errors: How many labels are wrong, as estimated.
    """

    path: Path
    table: pa.Table
    method: Method
    model: str
    labels: int
    network: int
    suspects: int
    decisions: dict[str, int]
    errors: Estimate


def audit(
    project: Project,
    method: Method = "confident-learning",
    *,
    budget: int | None = None,
    include_val: bool = False,
    everything: bool = False,
    csv_safe: bool = True,
    seed: int = 0,
) -> AuditReport:
    """Judge the human labels of the train split, and record the suspects; the manifest stays as it is.

    Args:
        project: The pool.
        method: One of `METHODS`.
        budget: At most so many labels are to ask about; the others are dropped.
        include_val: Judge the labels of the val split too.
        everything: List the labels that are kept, too.
        csv_safe: Quote cells that a spreadsheet would run.
        seed: Of the cut into folds.

    Raises:
        UsageError: There is no such method, or it asks nobody and has a budget for it.
        StepMissing: There is no manifest, no model, or images without signals.
        InputRejected: A class has one labelled image only, or there is but one class; or the record of who
            answered what is damaged.
    """
    check(method, budget)
    project.require_manifest()
    with ledger.writing(project, "audit"):
        manifest = ledger.read(project)
        splits = manifest.equals("split", "train")
        if include_val:
            splits |= manifest.equals("split", "val")
        rows = np.flatnonzero(manifest.labelled & manifest.readable & splits)
        found = judge(gather(project, manifest, rows, seed=seed), method, budget=budget)
        if found.evidence.bent:
            logger.warning(_BENT, found.evidence.model, project.command("train", *_FROZEN))
        warn_of_weakness(found.evidence)
        suspects = found.suspects()
        table = tabulated(found, manifest, found.ranked(np.arange(len(rows))) if everything else suspects)
        errors = estimate(found, manifest, votebook.read(project, manifest))
        facts: dict[str, Any] = {
            "model": found.evidence.model,
            "labels": len(rows),
            "network": int(found.evidence.network.sum()),
            "suspects": len(suspects),
            "decisions": found.counts(),
        }
        request = {
            "method": method,
            "budget": budget,
            "include_val": include_val,
            "all": everything,
            "seed": seed,
        }
        about = {
            "request": request,
            "manifest": summary.read(project)["digest"],
            **facts,
            "errors": errors.to_dict(),
        }
        path = recording.record(project, about, table, csv_safe=csv_safe)
        return AuditReport(path=path, table=table, method=method, errors=errors, **facts)
