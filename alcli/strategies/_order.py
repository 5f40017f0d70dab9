"""The few best of many rows, where equal values go to the smaller row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_DECIMALS = 10  # values that differ by less differ by rounding only: they tie


def smallest(values: Floats, count: int) -> Rows:
    """Return the rows of the `count` smallest values, smallest first; equal ones in row order.

    One partition finds the last of them, and only what is taken is sorted: O(n + count · log count).

    Args:
        values: (n,), compared when rounded to 10 decimals; may be infinite.
        count: 0 to n.
    """
    if not count:
        return np.empty(0, np.int64)
    values = np.round(values, _DECIMALS)
    last = np.partition(values, count - 1)[count - 1]
    below, level = np.flatnonzero(values < last), np.flatnonzero(values == last)
    rows = np.concatenate([below, level[: count - len(below)]])
    return np.asarray(rows[np.lexsort((rows, values[rows]))], np.int64)
