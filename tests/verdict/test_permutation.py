"""The sign-flip test against scipy and against exact counting, Holm's correction by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from alcli.verdict import permutation
from scipy import stats


@pytest.mark.parametrize("count", [1, 2, 5, 8, 12, 16])
def test_p_is_that_of_scipy(count: int) -> None:
    differences = np.random.default_rng(count).normal(0.5, 1, count)
    ours = permutation.sign_flip_p(differences, seed=0)
    if count == 1:
        assert ours == 1  # scipy wants two
        return
    theirs = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert ours == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("seed", range(20))
def test_ties_are_counted_as_integers_count_them(seed: int) -> None:
    """Thousandths have many tied sums, which floats tell apart; integers do not."""
    integers = np.random.default_rng(seed).integers(-4, 7, 9).tolist()
    sums = [
        abs(sum(sign * one for sign, one in zip(signs, integers, strict=True)))
        for signs in itertools.product((1, -1), repeat=9)
    ]
    expected = sum(one >= abs(sum(integers)) for one in sums) / 512
    assert permutation.sign_flip_p(np.array(integers) / 1000, seed=0) == expected


def test_no_difference_at_all() -> None:
    assert permutation.sign_flip_p(np.zeros(6), seed=0) == 1
    assert permutation.sign_flip_p(np.zeros(20), seed=0) == 1


def test_equal_differences_give_the_least_p() -> None:
    for count in (3, 8, 16):
        assert (
            permutation.sign_flip_p(np.full(count, -0.1), seed=0)
            == 2 / 2**count
            == permutation.least_p(count)
        )


def test_many_seeds_are_drawn() -> None:
    differences = np.random.default_rng(5).normal(0.3, 1, 20)
    ours = permutation.sign_flip_p(differences, seed=1)
    assert ours == permutation.sign_flip_p(differences, seed=1)
    assert ours != permutation.sign_flip_p(differences, seed=2)
    counted = (np.arange(2**20)[:, None] >> np.arange(20)) & 1
    exact = (np.abs((1 - 2 * counted) @ differences) >= abs(differences.sum()) - 1e-9).mean()
    assert ours == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 100_000) ** 0.5)
    assert round(ours * 100_001) == pytest.approx(ours * 100_001, abs=1e-6)


def test_a_drawn_p_is_never_zero() -> None:
    assert permutation.sign_flip_p(np.full(60, 0.1), seed=0) == 1 / 100_001 == permutation.least_p(60)
    assert permutation.least_p(17) == 2**-16


def test_holm_by_hand() -> None:
    # In order: 0.005 · 4, 0.01 · 3, 0.03 · 2, and 0.04 · 1, which must not fall below 0.06.
    assert permutation.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert permutation.holm([0.5, 0.9]) == [1, 1]
    assert permutation.holm([0.02, 0.02]) == pytest.approx([0.04, 0.04])
    assert permutation.holm([0.03]) == [0.03]
    assert permutation.holm([]) == []


@pytest.mark.parametrize(("methods", "seeds"), [(1, 6), (2, 7), (3, 7), (4, 8), (6, 8), (7, 9), (10, 9)])
def test_seeds_needed(methods: int, seeds: int) -> None:
    assert methods * 2 / 2**seeds <= 0.05 < methods * 2 / 2 ** (seeds - 1)
    assert permutation.seeds_needed(methods, 0.05) == seeds
