"""How well clusters agree with classes: hand-computed values, renumbering, and partitions with one part."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from alcli.geometry.agreement import agreement


def test_hand_computed_values() -> None:
    found = agreement(np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 0, 0, 2]))
    assert found == pytest.approx((0.833333, 0.685331, 0.318182), abs=5e-7)


def test_numbers_of_clusters_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    codes, clusters = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    first = agreement(codes, clusters)
    for order in itertools.islice(itertools.permutations(range(4)), 0, 24, 5):
        assert agreement(codes, np.array(order)[clusters]) == pytest.approx(first)
    best = max(np.mean(np.array(order)[clusters] == codes) for order in itertools.permutations(range(4)))
    assert first.accuracy == pytest.approx(best)


def test_more_clusters_than_classes_and_fewer() -> None:
    codes = np.array([0, 0, 1, 1])
    assert agreement(codes, np.array([5, 5, 2, 3])).accuracy == 0.75
    assert agreement(np.array([0, 1, 2, 7]), np.array([0, 0, 0, 0])).accuracy == 0.25


def test_partitions_with_one_part() -> None:
    one, two = np.zeros(4, np.int64), np.array([0, 0, 1, 1])
    assert agreement(one, one) == (1, 1, 1)
    assert agreement(two, one).nmi == 0


def test_a_single_image_tells_nothing() -> None:
    assert np.isnan(agreement(np.array([0]), np.array([3]))).all()
