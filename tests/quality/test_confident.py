"""Confident learning: what cleanlab says, of the classes that are there."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.errors import InputRejected
from alcli.quality import confident, crossfit
from cleanlab.filter import find_label_issues
from sklearn.datasets import load_digits


@pytest.fixture(scope="module")
def noisy() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """900 digits, a fifth of them with another label; opinions; and which labels are wrong."""
    points, codes = load_digits(return_X_y=True)
    points, codes = points[:900], codes[:900]
    rng = np.random.default_rng(0)
    wrong = rng.random(900) < 0.2
    given = np.where(wrong, (codes + rng.integers(1, 10, 900)) % 10, codes)
    return given, crossfit.neighbour_probabilities(points, given, 10), wrong


def test_the_same_issues_as_cleanlab(noisy: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    given, beliefs, wrong = noisy
    found = confident.issues(given, beliefs)
    np.testing.assert_array_equal(found, find_label_issues(given, beliefs, n_jobs=1))
    assert (found & wrong).sum() / found.sum() > 0.8
    assert (found & wrong).sum() / wrong.sum() > 0.8


def test_the_noise_is_estimated(noisy: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    given, beliefs, wrong = noisy
    assert confident.noise_rate(given, beliefs) == pytest.approx(wrong.mean(), abs=0.05)
    assert confident.errors(given, beliefs).mean() == pytest.approx(wrong.mean(), abs=0.05)


def test_classes_that_nobody_gave_do_not_matter(noisy: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    given, beliefs, _ = noisy
    wider = np.insert(beliefs, [0, 5], 0, axis=1)  # classes 0 and 6 of twelve are never given
    moved = np.where(given < 5, given + 1, given + 2)
    np.testing.assert_array_equal(confident.issues(moved, wider), confident.issues(given, beliefs))
    np.testing.assert_allclose(confident.suspicion(moved, wider), confident.suspicion(given, beliefs))


def test_suspicion_by_hand() -> None:
    beliefs = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.4, 0.4, 0.2]])
    # Half of one, and the likeliest other class, less the label.
    assert confident.suspicion(
        np.array([0, 0, 1]), beliefs[:, :2] / beliefs[:, :2].sum(1, keepdims=True)
    ) == (pytest.approx([(1 + 2 / 9 - 7 / 9) / 2, (1 + 6 / 7 - 1 / 7) / 2, 0.5]))
    assert confident.suspicion(np.array([0, 2, 1]), beliefs) == pytest.approx([0.25, 0.65, 0.5])


def test_one_class_is_never_wrong() -> None:
    codes, beliefs = np.full(4, 1), np.full((4, 3), 1 / 3)
    assert confident.noise_rate(codes, beliefs) == 0
    assert not confident.issues(codes, beliefs).any()
    assert confident.suspicion(codes, beliefs).tolist() == [0, 0, 0, 0]


def test_no_labels() -> None:
    nothing = np.zeros(0, np.int64), np.zeros((0, 3))
    assert confident.noise_rate(*nothing) == 0
    assert len(confident.issues(*nothing)) == len(confident.suspicion(*nothing)) == 0


def test_a_belief_that_is_no_number_is_refused() -> None:
    with pytest.raises(InputRejected, match="not finite"):
        confident.issues(np.array([0, 1]), np.array([[np.nan, 1], [0, 1]]))
