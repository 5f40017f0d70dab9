"""What several annotators and a model come to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alcli import uncertainty
from alcli.quality import consensus
from alcli.quality.consensus import Opinions
from alcli.quality.votes import Votes

from tests.quality.matrices import votes_of

NAN = np.nan


def crowdlab(votes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return consensus.crowdlab(votes_of(votes), probabilities)


def opinions(votes: np.ndarray, probabilities: np.ndarray) -> Opinions:
    return consensus.opinions(votes_of(votes), probabilities)


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
    found = opinions(votes, probabilities)
    assert found.annotators[:2].min() > found.annotators[2:].max()
    majority = np.array([np.bincount(row.astype(int), minlength=3).argmax() for row in votes])
    ours = crowdlab(votes, probabilities)
    assert (ours == truth).mean() > (majority == truth).mean()


def sparse(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Some answers of a crowd, at least one of each annotator about each image."""
    rng = np.random.default_rng(seed)
    _, votes, probabilities = crowd(c=2 + seed % 3)
    votes[rng.random(votes.shape) < 0.2 * (seed % 4)] = NAN
    votes[np.isnan(votes).all(axis=1), 0] = 0
    return votes, probabilities


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(8))
def test_weights_and_qualities_are_those_of_cleanlab_at_this_temperature(seed: int) -> None:
    multiannotator = pytest.importorskip("cleanlab.multiannotator")
    votes, probabilities = sparse(seed)
    found = opinions(votes, probabilities)
    theirs = multiannotator.get_label_quality_multiannotator(
        votes, uncertainty.tempered(probabilities, found.temperature), return_weights=True, verbose=False
    )
    assert found.quality == pytest.approx(theirs["label_quality"]["consensus_quality_score"], abs=1e-12)
    assert found.annotators == pytest.approx(theirs["annotator_weight"], abs=1e-12)
    assert found.model == pytest.approx(theirs["model_weight"], abs=1e-12)
    summed = np.where(np.isnan(votes), 0, theirs["annotator_weight"]).sum(axis=1)
    assert found.weights == pytest.approx(summed, abs=1e-12)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(8))
def test_the_consensus_is_that_of_cleanlab_where_people_gave_its_label(seed: int) -> None:
    multiannotator = pytest.importorskip("cleanlab.multiannotator")
    votes, probabilities = sparse(seed)
    table = multiannotator.get_label_quality_multiannotator(votes, probabilities, verbose=False)
    theirs = table["label_quality"]["consensus_label"].to_numpy()
    given = (votes == theirs[:, None]).any(axis=1)
    assert given.mean() > 0.7
    assert (crowdlab(votes, probabilities)[given] == theirs[given]).all()


def test_a_model_alone_never_overrules_all_people() -> None:
    _, votes, _ = crowd()
    sure = np.full((len(votes), 4), 1e-6)  # a fourth class that nobody gave
    sure[:, 3] = 1 - 3e-6
    labels = crowdlab(votes, sure)
    assert (votes == labels[:, None]).any(axis=1).all()


def test_one_answer_each_is_the_consensus_and_weighs_one() -> None:
    votes = np.array([[0, NAN], [NAN, 1], [1, NAN]])
    probabilities = np.array([[0.1, 0.9], [0.4, 0.6], [0.2, 0.8]])
    assert crowdlab(votes, probabilities).tolist() == [0, 1, 1]
    found = opinions(votes, probabilities)
    assert found.quality == pytest.approx([0.1, 0.6, 0.8])
    assert (found.weights.tolist(), found.annotators.tolist()) == ([1, 1, 1], [1, 1])
    assert (found.model, found.temperature) == (1, 1)


def test_one_class_divides_nothing_by_zero() -> None:
    votes = np.zeros((4, 2))
    assert crowdlab(votes, np.ones((4, 1))).tolist() == [0, 0, 0, 0]
    found = opinions(votes, np.full((4, 2), 0.5))  # two classes, all votes for one
    assert np.isfinite(np.concatenate([found.quality, found.weights, found.annotators])).all()


def test_two_who_weigh_the_same_and_an_even_model_leave_it_to_the_smaller_class() -> None:
    votes = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    assert crowdlab(votes, np.full((4, 2), 0.5)).tolist() == [0, 0, 0, 1]
    assert crowdlab(votes[:, ::-1], np.full((4, 2), 0.5)).tolist() == [0, 0, 0, 1]


def test_where_all_rows_are_tied_the_answer_is_no_accident() -> None:
    """cleanlab 2.9 has no majority to measure annotators by here, and fails."""
    votes = np.array([[2.0, 1.0], [1.0, 2.0]])
    assert crowdlab(votes, np.full((2, 3), 1 / 3)).tolist() == [1, 1]
    found = opinions(votes, np.full((2, 3), 1 / 3))
    assert np.isfinite(np.concatenate([found.quality, found.weights, found.annotators])).all()
    assert found.temperature == 1


TIE, BO_IS_RIGHT, BO_ALONE = [0, 1, NAN], [1, 0, 0], [NAN, 1, NAN]  # by ann, bo and cy


@pytest.mark.parametrize(
    ("others", "first", "expected"),
    [
        ([[0, 0, NAN]], 0.4, 1),  # the model is for 1
        ([[0, 0, NAN]], 0.6, 0),  # it is for 0, though 1 is rarer
        ([[0, 0, NAN]], 0.5, 1),  # 1 is rarer
        ([BO_IS_RIGHT, BO_ALONE], 0.5, 1),  # equally rare: bo is more often with the majority
        ([BO_IS_RIGHT, BO_ALONE, BO_ALONE], 0.5, 0),  # 0 is rarer, though bo is more trusted
        ([[0, 0, NAN], [1, 1, NAN]], 0.5, 0),  # equals in everything
    ],
)
def test_a_tied_majority_is_settled_as_in_cleanlab(others: list[Any], first: float, expected: int) -> None:
    multiannotator = pytest.importorskip("cleanlab.multiannotator")
    votes = np.array([TIE, *others], np.float64)
    probabilities = np.full((len(votes), 2), 0.5)
    probabilities[0] = first, 1 - first
    ready = votes_of(votes)
    crowd = consensus._Crowd(ready, ready.answers(2), probabilities, temperature=1.0)
    assert crowd.majority()[0] == expected
    if others[-1] != [1, 1, NAN]:  # there it draws lots
        assert multiannotator.get_majority_vote_label(votes, probabilities, verbose=False)[0] == expected


def test_the_order_of_the_votes_does_not_matter() -> None:
    votes, probabilities = sparse(2)
    ordered = votes_of(votes)
    drawn = np.random.default_rng(0).permutation(len(ordered.rows))
    mixed = Votes.of(ordered.rows[drawn], ordered.people[drawn], ordered.codes[drawn])
    for one, other in zip(
        opinions(votes, probabilities), consensus.opinions(mixed, probabilities), strict=True
    ):
        assert np.array_equal(one, other)


@pytest.mark.filterwarnings("ignore")
def test_an_annotator_who_appears_once_and_alone_has_a_weight() -> None:
    multiannotator = pytest.importorskip("cleanlab.multiannotator")
    _, votes, probabilities = crowd()
    more = np.full((len(votes) + 1, 5), NAN)
    more[:-1, :4], more[-1, 4] = votes, 2
    beliefs = np.vstack([probabilities, [0.2, 0.3, 0.5]])
    found = opinions(more, beliefs)
    assert found.annotators[4] > 0.1  # as who agrees with others as often as the others do
    theirs = multiannotator.get_label_quality_multiannotator(
        more, uncertainty.tempered(beliefs, found.temperature), return_weights=True, verbose=False
    )
    assert found.annotators == pytest.approx(theirs["annotator_weight"], abs=1e-12)
    assert crowdlab(more, np.vstack([probabilities, [0.9, 0.05, 0.05]]))[-1] == 2
