"""The temperature at which a model says what annotators say."""

from __future__ import annotations

import numpy as np
import pytest
from alcli import uncertainty
from alcli.quality import temperature
from scipy.optimize import minimize_scalar

from tests.quality.matrices import votes_of

NAN = np.nan


def crowd(seed: int, sharpness: float, c: int = 4, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Votes drawn from probabilities, and these probabilities made sharper: its right temperature is `sharpness`."""
    rng = np.random.default_rng(seed)
    right = rng.dirichlet(np.full(c, 0.7), n)
    votes = np.stack([[rng.choice(c, p=row) for row in right] for _ in range(4)], axis=1)
    powers = right**sharpness
    return votes, powers / powers.sum(axis=1, keepdims=True)


def naive(votes: np.ndarray, probabilities: np.ndarray, value: float) -> float:
    """Row by row, class by class."""
    total = 0.0
    for row, p in zip(votes, probabilities, strict=True):
        given = [int(code) for code in row if not np.isnan(code)]
        powers = np.array(p) ** (1 / value)
        for code in range(len(p)):
            total -= given.count(code) / len(given) * np.log(powers[code] / powers.sum())
    return total / len(votes)


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 1.6, 4.0])
def test_it_is_the_point_of_the_grid_next_to_the_optimum(sharpness: float) -> None:
    votes, probabilities = crowd(int(10 * sharpness), sharpness)
    votes = votes.astype(np.float64)
    votes[:200, 1:] = NAN  # most rows have one answer
    found = temperature.fit(votes_of(votes), probabilities)
    best = minimize_scalar(
        lambda value: naive(votes, probabilities, value), bounds=(0.1, 8), method="bounded"
    ).x
    assert best == pytest.approx(sharpness, rel=0.25)
    assert abs(found - best) <= {0.4: 0.075, 1.0: 0.25, 1.6: 0.25, 4.0: 0.5}[sharpness]  # a step there
    least = naive(votes, probabilities, found)
    assert least <= min(naive(votes, probabilities, value) for value in temperature._COARSE) + 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_it_is_that_of_cleanlab_where_it_counts_votes_right(seed: int) -> None:
    """cleanlab 2.9 counts whole numbers by class, but not floats, which votes with gaps are."""
    find = pytest.importorskip("cleanlab.internal.multiannotator_utils").find_best_temp_scaler
    votes, probabilities = crowd(seed, 0.5 + seed / 2)
    assert temperature.fit(votes_of(votes), probabilities) == pytest.approx(find(votes, probabilities))


def test_the_loss_is_that_of_the_definition_with_gaps_in_the_votes() -> None:
    votes, probabilities = crowd(0, 1.0)
    votes = votes.astype(np.float64)
    votes[np.random.default_rng(0).random(votes.shape) < 0.5] = NAN
    votes[:, 0] = np.where(np.isnan(votes).all(axis=1), 1, votes[:, 0])
    values = np.array([0.5, 1.0, 3.0])
    found = temperature.soft_cross_entropy(votes_of(votes), probabilities, values)
    assert found == pytest.approx([naive(votes, probabilities, value) for value in values], rel=1e-9)


def test_its_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    votes, probabilities = crowd(0, 1.5)
    whole = temperature.fit(votes_of(votes), probabilities)
    monkeypatch.setattr(uncertainty, "_BLOCK_VALUES", 28)
    assert temperature.fit(votes_of(votes), probabilities) == whole


def test_a_model_that_says_nothing_has_temperature_1_and_one_that_is_always_right_the_least() -> None:
    votes = votes_of(np.array([[0, 0], [1, 1], [0, 1]]))
    assert temperature.fit(votes, np.full((3, 2), 0.5)) == 1
    right = votes_of(np.array([[0, 0], [1, 1]]))
    assert temperature.fit(right, np.array([[0.6, 0.4], [0.4, 0.6]])) == 0.1
    assert temperature.fit(right, np.array([[0.4, 0.6], [0.6, 0.4]])) == 8  # always wrong


def test_impossible_classes_cost_no_more_than_a_bound() -> None:
    votes = votes_of(np.array([[0, 1], [1, 1]]))
    losses = temperature.soft_cross_entropy(votes, np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.1, 1.0]))
    assert losses == pytest.approx([np.log(1e30) / 4] * 2)
