"""Randomness is a function of seed, purpose and identity."""

from __future__ import annotations

import numpy as np
from alcli import randomness
from scipy import stats


def keys(count: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 2**64, count, dtype=np.uint64)


def test_a_number_belongs_to_its_key_not_to_its_place() -> None:
    some = keys(1000)
    order = np.random.default_rng(0).permutation(1000)
    assert np.array_equal(randomness.uniform(3, "p", some)[order], randomness.uniform(3, "p", some[order]))


def test_seed_and_purpose_give_independent_draws() -> None:
    some = keys(20_000)
    draws = np.stack([randomness.uniform(*which, some) for which in [(0, "a"), (1, "a"), (0, "b")]])
    assert np.abs(np.corrcoef(draws) - np.eye(3)).max() < 0.03


def test_draws_are_uniform_even_for_neighbouring_keys() -> None:
    for some in (keys(50_000), np.arange(50_000, dtype=np.uint64)):
        drawn = randomness.uniform(0, "random", some)
        assert 0 < drawn.min() < drawn.max() < 1
        assert stats.kstest(drawn, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.02


def test_gumbel_draws_follow_their_law() -> None:
    assert stats.kstest(randomness.gumbel(0, "g", keys(50_000)), "gumbel_r").pvalue > 1e-3


def test_splitmix64_against_its_published_sequence() -> None:
    # First outputs of SplitMix64 seeded with 1234567, as listed with the reference implementation.
    state, outputs = np.uint64(1234567), []
    with np.errstate(over="ignore"):
        for _ in range(3):
            state = state + np.uint64(0x9E3779B97F4A7C15)
            outputs.append(int(randomness.mix(np.array([state]))[0]))
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]
