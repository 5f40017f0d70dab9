"""What several annotators and a model come to."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from alcli.quality import consensus

NAN = np.nan


def crowd(n: int = 120, c: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two careful annotators, two that guess, and a fair model: truth, votes, probabilities."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, c, n)
    right = np.stack([rng.random(n) < share for share in (0.97, 0.95, 0.35, 0.35)], axis=1)
    votes = np.where(right, truth[:, None], rng.integers(0, c, (n, 4))).astype(np.float64)
    probabilities = rng.dirichlet(np.ones(c), n) + np.eye(c)[truth]
    return truth, votes, probabilities / probabilities.sum(axis=1, keepdims=True)


def test_careful_annotators_outweigh_those_who_guess() -> None:
    truth, votes, probabilities = crowd()
    found = consensus.opinions(votes, probabilities)
    assert found.annotators[:2].min() > found.annotators[2:].max()
    majority = np.array([np.bincount(row.astype(int), minlength=3).argmax() for row in votes])
    ours = consensus.crowdlab(votes, probabilities)
    assert (ours == truth).mean() > (majority == truth).mean()


@pytest.mark.filterwarnings("ignore")
def test_the_consensus_is_that_of_cleanlab_where_people_gave_its_label() -> None:
    multiannotator = pytest.importorskip("cleanlab.multiannotator")
    _, votes, probabilities = crowd()
    table = multiannotator.get_label_quality_multiannotator(votes, probabilities, verbose=False)
    theirs = table["label_quality"]["consensus_label"].to_numpy()
    given = (votes == theirs[:, None]).any(axis=1)
    assert given.mean() > 0.9
    assert (consensus.crowdlab(votes, probabilities)[given] == theirs[given]).all()


def test_a_model_alone_never_overrules_all_people() -> None:
    _, votes, _ = crowd()
    sure = np.full((len(votes), 4), 1e-6)  # a fourth class that nobody gave
    sure[:, 3] = 1 - 3e-6
    labels = consensus.crowdlab(votes, sure)
    assert (votes == labels[:, None]).any(axis=1).all()


def test_one_answer_each_is_the_consensus_and_weighs_one() -> None:
    votes = np.array([[0, NAN], [NAN, 1], [1, NAN]])
    probabilities = np.array([[0.1, 0.9], [0.4, 0.6], [0.2, 0.8]])
    assert consensus.crowdlab(votes, probabilities).tolist() == [0, 1, 1]
    found = consensus.opinions(votes, probabilities)
    assert found.quality == pytest.approx([0.1, 0.6, 0.8])
    assert (found.weights.tolist(), found.annotators.tolist()) == ([1, 1, 1], [1, 1])
    assert (found.model, found.temperature) == (1, 1)


def test_one_class_divides_nothing_by_zero() -> None:
    votes = np.zeros((4, 2))
    assert consensus.crowdlab(votes, np.ones((4, 1))).tolist() == [0, 0, 0, 0]
    found = consensus.opinions(votes, np.full((4, 2), 0.5))  # two classes, all votes for one
    assert np.isfinite(np.concatenate([found.quality, found.weights, found.annotators])).all()


def test_ties_are_broken_the_same_way_each_time_and_nobody_elses_numbers_change() -> None:
    votes = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    even = np.full((4, 2), 0.5)
    np.random.seed(7)  # noqa: NPY002, TID251 - the numbers that must be left alone
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002, TID251
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = {tuple(consensus.crowdlab(votes, even).tolist()) for _ in range(5)}
    assert np.random.random() == expected  # noqa: NPY002
    assert len(answers) == 1
    assert answers.pop()[2:] == (0, 1)


def test_an_annotator_who_appears_once_and_alone_has_a_weight() -> None:
    _, votes, probabilities = crowd()
    more = np.full((len(votes) + 1, 5), NAN)
    more[:-1, :4], more[-1, 4] = votes, 2
    found = consensus.opinions(more, np.vstack([probabilities, [0.2, 0.3, 0.5]]))
    assert np.isfinite(found.annotators).all()
    assert found.annotators[4] > 0
    assert consensus.crowdlab(more, np.vstack([probabilities, [0.9, 0.05, 0.05]]))[-1] == 2
