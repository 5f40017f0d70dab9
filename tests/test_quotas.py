"""Quotas: how a batch is shared out among classes."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.quotas import level, occurrence


def test_occurrences_by_hand() -> None:
    assert occurrence(np.array([2, 0, 2, 2, 0], np.int32)).tolist() == [0, 0, 1, 2, 1]


@pytest.mark.parametrize(
    ("have", "available", "k", "expected"),
    [
        ([6, 2], [9, 9], 2, [0, 2]),  # algorithms.md B.17's golden: the smaller class gets both
        ([6, 2], [9, 9], 4, [0, 4]),
        ([6, 2], [9, 9], 6, [1, 5]),
        ([6, 2], [9, 1], 4, [3, 1]),  # what a class cannot give, the others do
        ([0, 0, 0], [5, 5, 5], 4, [2, 1, 1]),  # a rest goes to the lower class
        ([0, 0, 0], [1, 0, 2], 9, [1, 0, 2]),  # no more than there are
        ([3, 1], [4, 4], 0, [0, 0]),
        ([], [], 3, []),
    ],
)
def test_quotas_by_hand(have: list[int], available: list[int], k: int, expected: list[int]) -> None:
    counts = np.array(have, np.int64), np.array(available, np.int64)
    assert level(*counts, k).tolist() == expected


@pytest.mark.parametrize("seed", range(30))
def test_agrees_with_giving_one_after_the_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    have, available = rng.integers(0, 9, 6), rng.integers(0, 9, 6)
    k = int(rng.integers(0, 40))
    total, left, given = have.copy(), available.copy(), np.zeros(6, np.int64)
    for _ in range(min(k, int(available.sum()))):
        smallest = min((int(total[c]), c) for c in range(6) if left[c])[1]
        total[smallest] += 1
        left[smallest] -= 1
        given[smallest] += 1
    assert level(have, available, k).tolist() == given.tolist()
