"""How many images of each class a batch may hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def occurrence(codes: NDArray[Any]) -> Counts:
    """Return for each entry how often its value stands before it."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    seen = np.empty(len(codes), np.int64)
    seen[order] = np.arange(len(codes)) - np.searchsorted(ordered, ordered)
    return seen


def level(have: Counts, available: Counts, k: int) -> Counts:
    """Share out k images so that the classes end up as even as can be, as water fills a vessel.

    Args:
        have: (c,) images that each class has.
        available: (c,) images that each class can give.
        k: To share out; where fewer are available, all of them are.

    Returns:
        (c,) images to take of each class, at most `available`, min(k, Σ available) in all. The smallest class
        is as large as it can be, then the next; a rest that divides no further goes to the lower classes.
    """
    k = min(k, int(available.sum()))
    low, high = int(have.min(initial=0)), int((have + available).max(initial=0))
    while low < high:  # the highest water that k images can reach
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _poured(have, available, middle).sum() <= k else (low, middle - 1)
    quota = _poured(have, available, low)
    above = np.flatnonzero(_poured(have, available, low + 1) > quota)
    quota[above[: k - int(quota.sum())]] += 1
    return quota


def _poured(have: Counts, available: Counts, height: int) -> Counts:
    """Return what each class takes where the water stands at `height`."""
    return np.clip(height - have, 0, available)
