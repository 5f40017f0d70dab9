"""What the check of a delivery found, for people and as JSON; see `alcli.labelling.checking`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from alcli.auditing import Estimate, Method
from alcli.quality.rates import Rate

_TOLD_GOLD = 5  # annotators; the quality report has all


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
        audited: Labels that would not be taken either, but that an audit asked for.
        labelled_before: Labels that would not be taken either, but that were there before.
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
    audited: int
    labelled_before: int
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
        if self.audited:
            lines.append(
                f"{self.audited} suspects are labels all the same: an audit asked, and counts every answer"
            )
        if self.labelled_before:
            lines.append(
                f"{self.labelled_before} suspects were labels before and stay; corrected ones replace them with "
                "--on-conflict replace"
            )
        return lines
