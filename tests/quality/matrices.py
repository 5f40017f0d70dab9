"""Votes as a matrix, the form that cleanlab and naive loops take."""

from __future__ import annotations

import numpy as np
from alcli.quality.votes import Votes


def votes_of(matrix: np.ndarray) -> Votes:
    """Return the votes of (n, m) class codes by annotator, NaN where one did not answer."""
    rows, people = np.nonzero(~np.isnan(matrix))
    return Votes.of(rows, people, matrix[rows, people])
