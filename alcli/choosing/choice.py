"""What a chooser returns: the images of a round, and what is said of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
AUDIT = "audit"


@dataclass(frozen=True)
class Choice:
    """The images of a round, in rank order: those that the strategy ranks, then those drawn for the audit.

    Attributes:
        rows: (k,) rows of the manifest.
        scores: (k,) higher is queried sooner; NaN for audit rows.
        ranked: (e,) the scores of everything that the strategy ranked, in no order to rely on; None where it picks
            its batch as a whole.
        reasons: k words: `rank`, `diverse`, `fill`, `audit`.
        clusters: k numbers of the clusters that images were picked from; None where there are none.
        guesses: k predicted classes; None where nothing is known.
        confidence: (k,) the classifier's probability of that class; NaN where unknown.
        nearest_labelled: k names of the nearest labelled images; None where distances are not known.
        duplicates: k JSON lists of the file names of an image's duplicates; None where it has none.
        stepped_back: Images that were passed over as duplicates.
        model: Id of the model whose signals were read, if any were.
        signals: Names of the signals that were read for ranking.
        digest: Fingerprint of their values.
        quality: Figures that judge the batch as a whole.
        approximations: What was not computed exactly, in words.
    """

    rows: Positions
    scores: NDArray[np.float64]
    ranked: NDArray[np.float64] | None
    reasons: list[str]
    clusters: list[int | None]
    guesses: list[str | None]
    confidence: NDArray[np.float32]
    nearest_labelled: list[str | None]
    duplicates: list[str | None]
    stepped_back: int
    model: str | None
    signals: list[str]
    digest: str
    quality: dict[str, Any]
    approximations: list[str]

    @property
    def audit(self) -> NDArray[np.bool_]:
        """(k,) whether a row was drawn for the audit."""
        return np.array([reason == AUDIT for reason in self.reasons], np.bool_)
