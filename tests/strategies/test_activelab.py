"""ActiveLab: one score for unlabelled images and for labelled ones that are worth another label."""

from __future__ import annotations

import alcli
import numpy as np
import pytest
from alcli.errors import UsageError
from alcli.quality import consensus, crossfit
from alcli.ranking import plan
from alcli.strategies.activelab import label_again
from sklearn.datasets import load_digits

from tests.quality.matrices import votes_of


def test_golden_values() -> None:
    """algorithms.md B.12, ten classes: s = .35 for max p = .6 without a label, .566667 for q = .8 with one."""
    probabilities = np.full((1, 10), 0.4 / 9)
    probabilities[0, 3] = 0.6
    assert alcli.rank("activelab", k=1, probabilities=probabilities).scores == pytest.approx([1 - 0.35])
    again = label_again(np.array([0.8]), np.array([1.0]), classes=10)
    assert again == pytest.approx([1 - (0.8 * 2 + 0.1) / 3], abs=1e-12)
    assert again == pytest.approx([1 - 0.566667], abs=1e-6)


def test_the_order_of_unlabelled_images_is_that_of_least_confidence() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), 200)
    orders = [
        alcli.rank(name, k=200, probabilities=probabilities).rows.tolist()
        for name in ("activelab", "least-confidence")
    ]
    assert orders[0] == orders[1]


def test_a_second_vote_makes_a_label_less_worth_checking() -> None:
    scores = label_again(np.full(3, 0.9), np.array([1.0, 2.0, 5.0]), classes=4)
    assert scores[0] > scores[1] > scores[2] > 0.1  # with many votes it tends to 1 - q


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("annotators", [1, 5])
def test_the_scores_are_those_of_cleanlab(annotators: int) -> None:
    """Everybody answers, for where votes have gaps, cleanlab 2.9 counts them wrong for the temperature."""
    multiannotator = pytest.importorskip("cleanlab.multiannotator")
    rng = np.random.default_rng(annotators)
    n, c = 80, 4
    truth = rng.integers(0, c, n)
    probabilities = rng.dirichlet(np.full(c, 0.5), n) + 1.5 * np.eye(c)[truth]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    votes = np.where(rng.random((n, annotators)) < 0.8, truth[:, None], rng.integers(0, c, (n, annotators)))
    pool = rng.dirichlet(np.ones(c), 30)
    theirs, of_pool = multiannotator.get_active_learning_scores(votes, probabilities, pool)
    found = consensus.opinions(votes_of(votes), probabilities)
    assert (found.temperature == 1) == (annotators == 1)
    weights = {"model_weight": found.model, "annotator_weight": float(found.annotators.mean())}
    ours = label_again(found.quality, found.weights, classes=c, **weights)
    assert 1 - ours == pytest.approx(theirs, abs=1e-12)
    ranked = alcli.rank("activelab", k=30, probabilities=pool, temperature=found.temperature, **weights)
    assert 1 - ranked.scores == pytest.approx(of_pool[ranked.rows], abs=1e-9)


def test_digits_with_wrong_labels_come_before_digits_that_are_clear() -> None:
    """Labelled and unlabelled digits stand in one list: doubtful labels and doubtful images are on top of it."""
    digits, truth = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    n = 600
    said = np.where(rng.random((n, 3)) < 0.8, truth[:n, None], rng.integers(0, 10, (n, 3))).astype(np.float64)
    said[rng.random((n, 3)) < 0.5] = np.nan
    said[np.isnan(said).all(axis=1), 0] = truth[:n][np.isnan(said).all(axis=1)]
    votes = votes_of(said)
    labels = votes.answers(10).best()
    judged = crossfit.probabilities(digits[:n], labels, 10)
    found = consensus.opinions(votes, judged)
    assert found.temperature < 3
    weights = {"model_weight": found.model, "annotator_weight": float(found.annotators.mean())}
    again = label_again(found.quality, found.weights, classes=10, **weights)
    others = crossfit.judge_of_others(digits[:n], labels, 10)(digits[n:])
    new = alcli.rank(
        "activelab", k=len(others), probabilities=others, temperature=found.temperature, **weights
    )
    together = np.concatenate([again, new.scores])
    on_top = np.argsort(-together)[:200]
    chosen = on_top[on_top < n]
    assert 20 < len(chosen) < 180
    assert (labels[chosen] != truth[chosen]).mean() > 1.5 * (labels != truth[:n]).mean()


def test_only_it_ranks_labelled_images() -> None:
    ready = plan("activelab", ["probabilities"], options={"model_weight": 2})
    assert ready.score_again(np.array([0.5]), np.array([1.0]), 2) == pytest.approx([1 - (0.5 * 3 + 0.5) / 4])
    with pytest.raises(UsageError, match="margin ranks unlabelled images only"):
        plan("margin", ["margin"]).score_again(np.array([0.5]), np.array([1.0]), 2)


@pytest.mark.parametrize("option", ["model_weight=0", "annotator_weight=-1", "temperature=0"])
def test_weights_are_positive(option: str) -> None:
    name, value = option.split("=")
    with pytest.raises(UsageError, match=name):
        alcli.rank("activelab", k=1, probabilities=np.full((2, 2), 0.5), **{name: value})
