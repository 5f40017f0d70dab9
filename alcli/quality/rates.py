"""Shares of wrong labels, each with the interval that so many labels allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli import rounds


class Rate(NamedTuple):
    """A share.

    Attributes:
        n: How many labels.
        wrong: How many of them count as wrong.
        rate: wrong / n; None where there is none.
        low: Lower end of the 95 % Clopper-Pearson interval. It knows how few labels there are, and nothing of
            the mistakes of whoever judged them.
        high: Upper end.
    """

    n: int
    wrong: int
    rate: float | None
    low: float
    high: float

    def __str__(self) -> str:
        if self.rate is None:
            return "unknown"
        return f"{self.rate:.1%} ({self.wrong} of {self.n}; 95 % interval {self.low:.1%} to {self.high:.1%})"


def rate(wrong: NDArray[np.bool_]) -> Rate:
    """Return the share of True in `wrong` (n,)."""
    return counted(len(wrong), int(wrong.sum()))


def counted(n: int, wrong: int) -> Rate:
    """Return the share `wrong` of `n`."""
    return Rate(n, wrong, wrong / n if n else None, *rounds.interval(wrong, n))


def by_group(wrong: NDArray[np.bool_], groups: NDArray[Any], names: Sequence[str]) -> dict[str, Rate]:
    """Return the share of each group that has a label.

    Args:
        wrong: (n,) which labels count as wrong.
        groups: (n,) positions in `names`; negative ones stand for no group.
        names: In the order of the answer.
    """
    known = groups >= 0
    sizes = np.bincount(groups[known], minlength=len(names)).tolist()
    found = np.bincount(groups[known & wrong], minlength=len(names)).tolist()
    pairs = zip(names, sizes, found, strict=True)
    return {name: counted(n, bad) for name, n, bad in pairs if n}
