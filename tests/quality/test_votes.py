"""Votes, one by one."""

from __future__ import annotations

import numpy as np

from tests.quality.matrices import votes_of

NAN = np.nan
MATRIX = np.array([[1, NAN, 0], [NAN, 2, NAN], [0, 0, 2]])


def test_a_matrix_and_its_votes_say_the_same() -> None:
    votes = votes_of(MATRIX)
    assert votes.rows.tolist() == [0, 0, 1, 2, 2, 2]
    assert votes.people.tolist() == [0, 2, 1, 0, 1, 2]
    assert votes.codes.tolist() == [1, 0, 2, 0, 0, 2]
    assert votes.counts.tolist() == [2, 1, 3]
    assert votes.several.tolist() == [True, False, True]


def test_answers_are_counted_row_by_row() -> None:
    votes = votes_of(MATRIX)
    answers = votes.answers(3)
    assert answers.rows.tolist() == [0, 0, 1, 2, 2]
    assert answers.codes.tolist() == [0, 1, 2, 0, 2]
    assert answers.voices.tolist() == [1, 1, 1, 2, 1]
    assert answers.codes[answers.of].tolist() == votes.codes.tolist()
    assert answers.starts.tolist() == [0, 2, 3]


def test_the_best_answer_goes_level_by_level_and_then_by_the_smaller_class() -> None:
    answers = votes_of(MATRIX).answers(3)
    assert answers.best().tolist() == [0, 2, 0]
    assert answers.best(answers.codes).tolist() == [1, 2, 2]
    assert answers.best(answers.voices).tolist() == [0, 2, 0]
    assert answers.best(answers.rows, answers.codes).tolist() == [1, 2, 2]


def test_sums_by_row_and_by_annotator() -> None:
    votes = votes_of(MATRIX)
    assert votes.per_row(np.arange(6.0)).tolist() == [1, 2, 12]
    assert votes.per_person(np.arange(6.0)).tolist() == [3, 6, 6]
    mine, at = votes.within(slice(1, 3))
    assert (mine, at.tolist()) == (slice(2, 6), [0, 1, 1, 1])
