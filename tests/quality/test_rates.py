"""Shares with their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.quality import rates
from scipy.stats import binomtest


@pytest.mark.parametrize(("n", "wrong"), [(20, 3), (20, 0), (20, 20), (1000, 51)])
def test_the_interval_is_clopper_and_pearsons(n: int, wrong: int) -> None:
    found = rates.counted(n, wrong)
    expected = binomtest(wrong, n).proportion_ci(0.95)
    assert (found.rate, found.low, found.high) == pytest.approx((wrong / n, expected.low, expected.high))


def test_of_nothing_nothing_is_known() -> None:
    found = rates.rate(np.zeros(0, np.bool_))
    assert found == (0, 0, None, 0, 1)
    assert str(found) == "unknown"


def test_groups_without_a_label_are_left_out() -> None:
    found = rates.by_group(np.array([1, 0, 1, 1], np.bool_), np.array([0, 0, 2, -1]), ["a", "b", "c"])
    assert {name: (rate.n, rate.wrong) for name, rate in found.items()} == {"a": (2, 1), "c": (1, 1)}


def test_in_words() -> None:
    assert str(rates.counted(20, 3)) == "15.0% (3 of 20; 95 % interval 3.2% to 37.9%)"
