"""What stands in the way of a choice: signals that it goes by and that some images do not have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alcli.choosing import Chooser
from alcli.errors import StepMissing


@dataclass(frozen=True)
class Lacking:
    """Rows that need signals and have none.

    Attributes:
        chooser: Who needs them.
        rows: Rows of the manifest.
        signal: The one that the network must be differentiated for; empty for those that `score` gives.
    """

    chooser: Chooser
    rows: NDArray[np.int64]
    signal: str = ""

    def failure(self) -> StepMissing:
        """Return the refusal of a choice that must not compute them."""
        if self.signal:
            return StepMissing(
                f"{len(self.rows)} candidates lack {self.signal.replace('_', ' ')}",
                hint="select computes them, but not with --dry-run or --explain",
            )
        source = self.chooser.source
        given = ("--from", "OUTPUTS.parquet") if source.record and source.record.external else ()
        return StepMissing(
            f"{len(self.rows)} images have no signals yet", hint=source.project.command("score", *given)
        )


def what_lacks(chooser: Chooser) -> Lacking | None:
    """Return what a choice lacks: first what `score` gives; None where nothing is missing."""
    if len(rows := chooser.unscored()):
        return Lacking(chooser, rows)
    if chooser.probe and len(rows := chooser.unprobed()):
        return Lacking(chooser, rows, chooser.probe)
    return None
