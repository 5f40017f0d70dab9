"""The scores of a pool, rounded so that equal ones tie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DECIMALS = 10  # scores that differ by less differ by rounding only: they tie


class Scores(NamedTuple):
    """The scores of a pool.

    Attributes:
        values: (n,) finite, rounded to 10 decimals; higher for "label sooner".
        ties: (n,) what orders equal values, higher first; None where only the key does.
    """

    values: Floats
    ties: Floats | None = None


def settled(values: Floats) -> Floats:
    """Round, in place, what differs by rounding only to the same number, and -0.0 to 0.0."""
    np.round(values, _DECIMALS, out=values)
    values += 0.0
    return values
