"""Answers that are not taken as labels because of what the judges say; see `alcli.labelling.checking`."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli.auditing import Findings
from alcli.labelling.merging import Merge
from alcli.manifest import Manifest
from alcli.quality import rad
from alcli.schema import GIVEN, GUESSED

# What an answer changes, but for `queried_round`: whatever becomes of it, the image is back.
_ANSWERED = (*GIVEN, *GUESSED, "status", "problem")


class Withheld(NamedTuple):
    """What is left of a delivery.

    Attributes:
        outcome: What it changes, without the labels that are not taken.
        labels: How many these are.
        guesses: How many of their images have the judges' label as a pseudo-label.
        changed: How many of these had not, or had another one.
    """

    outcome: Merge
    labels: int
    guesses: int
    changed: int


def withhold(
    before: Manifest, outcome: Merge, found: Findings, among: NDArray[np.bool_], *, drop: bool
) -> Withheld:
    """Take out what is not to be a label: what the judges relabel, and, if asked, what they doubt.

    A label that models gave is a pseudo-label and never a label, so of an image that they relabel the answer is left
    out. Images held out for validation take no pseudo-label: there the answer stays.

    Args:
        before: The pool's manifest.
        outcome: What the delivery changes.
        found: The verdict on `outcome`.
        among: (n,) which of the judged labels are the delivery's.
        drop: Leave out the labels to drop and to ask about, too.
    """
    rows = found.evidence.rows
    relabelled = among & (found.decisions == rad.RELABEL) & before.equals("split", "train")[rows]
    doubted = among & drop & np.isin(found.decisions, (rad.DROP, rad.ASK))
    out = rows[relabelled | doubted]
    if not len(out):
        return Withheld(outcome, 0, 0, 0)
    cells = {name: before.table[name].take(out).combine_chunks() for name in _ANSWERED}
    manifest = outcome.manifest.assign(out, **cells)
    guessed = np.flatnonzero(relabelled & ~manifest.labelled[rows])  # what had a label before keeps that
    same = manifest.codes("pseudo_label")[rows] == found.suggested
    new = guessed[~(same & manifest.equals("pseudo_method", found.method)[rows])[guessed]]
    manifest = manifest.assign(
        rows[new],
        pseudo_label=np.array([*manifest.classes, None], object)[found.suggested[new]],
        pseudo_confidence=found.evidence.classifier[new, found.suggested[new]],
        pseudo_method=found.method,
        pseudo_round=manifest.round,
    )
    left = {
        field.name: np.setdiff1d(getattr(outcome, field.name), out)
        for field in fields(outcome)
        if field.name in ("fresh", "replaced", "unchanged")
    }
    return Withheld(replace(outcome, manifest=manifest, **left), len(out), len(guessed), len(new))
