"""Cross-fitted opinions: out of sample, the same in any order, and sensible where there is little to learn from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from alcli.quality import crossfit
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

JUDGES = [crossfit.probabilities, crossfit.neighbour_probabilities]
Judge = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    points, codes = load_digits(return_X_y=True)
    return points[:600], codes[:600]


@pytest.mark.parametrize("judge", JUDGES)
def test_most_digits_are_known_again(judge: Judge, digits: tuple[np.ndarray, np.ndarray]) -> None:
    points, codes = digits
    found = judge(points, codes, 10)
    assert found.shape == (600, 10)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    assert (found.argmax(axis=1) == codes).mean() > 0.9


@pytest.mark.parametrize("judge", JUDGES)
def test_labels_that_mean_nothing_cannot_be_foretold(judge: Judge) -> None:
    # A model that had seen them would repeat them: 80 dimensions tell 80 points apart.
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 80)
    found = judge(rng.normal(size=(80, 80)), codes, 2)
    assert 0.3 < (found.argmax(axis=1) == codes).mean() < 0.7


@pytest.mark.parametrize("judge", JUDGES)
def test_the_order_of_rows_does_not_matter(judge: Judge, digits: tuple[np.ndarray, np.ndarray]) -> None:
    points, codes = digits
    keys = np.random.default_rng(1).integers(0, 2**63, 600).astype(np.uint64)
    order = np.random.default_rng(2).permutation(600)
    found = judge(points, codes, 10, keys=keys)
    again = judge(points[order], codes[order], 10, keys=keys[order])
    np.testing.assert_array_equal(again, found[order])
    other = judge(points, codes, 10, keys=keys, seed=1)
    assert not np.array_equal(other, found)


def test_folds_share_each_class_evenly() -> None:
    codes = np.repeat([0, 1, 2], [13, 2, 7])
    part = crossfit._cut(codes, np.arange(22, dtype=np.uint64), 5, seed=0)
    for code in range(3):
        counts = np.bincount(part[codes == code], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.bincount(part).tolist() == [5, 5, 4, 4, 4]


def test_neighbours_vote_as_in_another_library() -> None:
    rng = np.random.default_rng(3)
    points, codes = rng.normal(size=(60, 5)), rng.integers(0, 3, 60)
    part = crossfit._cut(codes, np.arange(60, dtype=np.uint64), 5, seed=0)
    found = crossfit.neighbour_probabilities(points, codes, 3)
    for fold in range(5):
        held_out = part == fold
        theirs = KNeighborsClassifier(10, metric="cosine", weights=lambda distances: 1 - distances / 2)
        theirs.fit(points[~held_out], codes[~held_out])
        distances, _ = theirs.kneighbors(points[held_out])
        weight = (1 - distances / 2).sum(axis=1, keepdims=True)
        prior = np.bincount(codes[~held_out], minlength=3) / (~held_out).sum()
        expected = (theirs.predict_proba(points[held_out]) * weight + prior) / (weight + 1)
        np.testing.assert_allclose(found[held_out], expected, atol=1e-6)


def test_neighbours_are_looked_for_among_so_many_rows_only(
    monkeypatch: pytest.MonkeyPatch, digits: tuple[np.ndarray, np.ndarray]
) -> None:
    monkeypatch.setattr(crossfit, "_KNOWN", 100)
    points, codes = digits
    found = crossfit.neighbour_probabilities(points, codes, 10)
    assert 0.7 < (found.argmax(axis=1) == codes).mean() < 0.95


@pytest.mark.parametrize("judge", JUDGES)
def test_a_class_of_one_image_is_unknown_to_whoever_judges_it(judge: Judge) -> None:
    points = np.array([[0.0, 1], [0, 1.1], [1, 0], [1.1, 0], [-1, -1]])
    found = judge(points, np.array([0, 0, 1, 1, 2]), 4)
    assert found[4, 2] == 0
    assert (found[:, 3] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("judge", JUDGES)
def test_with_nothing_to_compare_nothing_is_claimed(judge: Judge) -> None:
    assert judge(np.zeros((0, 3)), np.zeros(0, np.int64), 2).shape == (0, 2)
    assert judge(np.ones((1, 3)), np.zeros(1, np.int64), 2).tolist() == [[0.5, 0.5]]
    assert judge(np.ones((3, 3)), np.ones(3, np.int64), 2).tolist() == [[0, 1]] * 3


def test_the_judge_of_others_knows_digits_it_has_not_seen(digits: tuple[np.ndarray, np.ndarray]) -> None:
    mixed = np.random.default_rng(0).permutation(600)  # writers follow each other
    points, codes = digits[0][mixed], digits[1][mixed]
    found = crossfit.judge_of_others(points[::2], codes[::2], 11)(points[1::2])
    assert found.shape == (300, 11)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    assert (found[:, 10] == 0).all()  # a class without labels
    out_of_sample = crossfit.probabilities(points[::2], codes[::2], 11)
    right = [
        (found.argmax(axis=1) == codes[1::2]).mean(),
        (out_of_sample.argmax(axis=1) == codes[::2]).mean(),
    ]
    assert min(right) > 0.85
    assert (
        abs(found.max(axis=1).mean() - out_of_sample.max(axis=1).mean()) < 0.05
    )  # as sure of the one as of the other


def test_the_judge_of_others_goes_by_nobodys_order(digits: tuple[np.ndarray, np.ndarray]) -> None:
    points, codes = digits
    keys = np.random.default_rng(1).integers(0, 2**63, 300).astype(np.uint64)
    order = np.random.default_rng(2).permutation(300)
    judge = crossfit.judge_of_others(points[:300], codes[:300], 10, keys=keys)
    again = crossfit.judge_of_others(points[:300][order], codes[:300][order], 10, keys=keys[order])
    whole = judge(points[300:])
    np.testing.assert_array_equal(again(points[300:]), whole)
    np.testing.assert_allclose(np.vstack([judge(points[[at]]) for at in range(300, 600)]), whole, atol=1e-13)


def test_the_judge_of_others_claims_nothing_without_labels_and_one_class_with_one() -> None:
    nobody = crossfit.judge_of_others(np.zeros((0, 3)), np.zeros(0, np.int64), 2)
    assert nobody(np.ones((1, 3))).tolist() == [[0.5, 0.5]]
    single = crossfit.judge_of_others(np.ones((2, 3)), np.ones(2, np.int64), 2)
    assert single(np.ones((2, 3))).tolist() == [[0, 1]] * 2
    assert single(np.ones((0, 3))).shape == (0, 2)
