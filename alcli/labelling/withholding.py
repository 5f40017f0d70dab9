"""Answers that are not taken as labels because of what the judges say; see `alcli.labelling.checking`."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli.auditing import Findings
from alcli.labelling.merging import Merge
from alcli.labelling.recording import SAID
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
        audited: Labels that would not have been taken, but that an audit had asked for.
        there: Labels that would not have been taken, but that were there before.
    """

    outcome: Merge
    labels: int
    guesses: int
    changed: int
    audited: int
    there: int


def withhold(
    before: Manifest,
    outcome: Merge,
    found: Findings,
    among: NDArray[np.bool_],
    *,
    audited: NDArray[np.bool_],
    drop: bool,
) -> Withheld:
    """Take out what is not to be a label: what the judges relabel, and, if asked, what they doubt.

    A label that models gave is a pseudo-label and never a label, so of an image that they relabel the answer is left
    out. Images held out for validation take no pseudo-label: there the answer stays. So it does where an audit asked:
    without the answers that models contradict, its accuracy would be too good.

    Args:
        before: The pool's manifest.
        outcome: What the delivery changes.
        found: The verdict on `outcome`.
        among: (n,) which of the judged labels are the delivery's.
        audited: (m,) which images of the manifest an audit asked about.
        drop: Leave out the labels to drop and to ask about, too.
    """
    rows = found.evidence.rows
    relabelled = among & (found.decisions == rad.RELABEL) & before.equals("split", "train")[rows]
    doubted = among & drop & np.isin(found.decisions, (rad.DROP, rad.ASK))
    mine, there = audited[rows], np.isin(rows, outcome.unchanged)
    left = (relabelled | doubted) & ~mine & ~there
    out = rows[left]
    cells = {name: before.table[name].take(out).combine_chunks() for name in _ANSWERED}
    manifest = outcome.manifest.assign(out, **cells)
    guessed = np.flatnonzero(relabelled & left & ~manifest.labelled[rows])  # what had a label keeps that
    same = manifest.codes("pseudo_label")[rows] == found.suggested
    new = guessed[~(same & manifest.equals("pseudo_method", found.method)[rows])[guessed]]
    manifest = manifest.assign(
        rows[new],
        pseudo_label=np.array([*manifest.classes, None], object)[found.suggested[new]],
        pseudo_confidence=found.evidence.classifier[new, found.suggested[new]],
        pseudo_method=found.method,
        pseudo_round=manifest.round,
    )
    kept = {name: np.setdiff1d(getattr(outcome, name), out) for name in ("fresh", "unsent", "replaced")}
    return Withheld(
        replace(outcome, manifest=manifest, **kept),
        labels=len(out),
        guesses=len(guessed),
        changed=len(new),
        audited=int(((relabelled | doubted) & mine).sum()),
        there=int(((relabelled | doubted) & there & ~mine).sum()),
    )


def kept_back(before: Manifest, offered: Merge, taken: Merge) -> tuple[pa.Table, NDArray[np.int64]]:
    """Return what came back of rounds and is not taken as a label, and the round of each answer.

    Args:
        before: The pool's manifest.
        offered: What the delivery changes.
        taken: What is left of it.
    """
    answered, left = (np.concatenate([merge.fresh, merge.replaced]) for merge in (offered, taken))
    rows = np.setdiff1d(answered, left)
    rows = rows[before.out[rows]]
    table = offered.manifest.table.select(SAID.names).take(pa.array(rows)).cast(SAID)
    return table, before.table["queried_round"].take(pa.array(rows)).to_numpy().astype(np.int64)
