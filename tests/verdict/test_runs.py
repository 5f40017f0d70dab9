"""Which seeds count, and why the others do not."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.verdict import runs

from tests.verdict.tables import NAN, columns, failed, results, row, rows


def test_runs_by_seed_and_round_whatever_the_order_of_rows() -> None:
    given = rows({"margin": [[0.5, 0.6], [0.4, 0.7]], "random": [[0.1, 0.2]]})
    found = runs.read(columns(given[::-1]), "accuracy")
    assert list(found) == ["random", "margin"]
    margin = found["margin"]
    assert margin.seeds == (0, 1)
    np.testing.assert_array_equal(margin.values, [[0.5, 0.6], [0.4, 0.7]])
    np.testing.assert_array_equal(margin.labels, [[100, 200], [100, 200]])
    np.testing.assert_array_equal(margin.seconds[0], [[4, 2, NAN], [4, 2, 1]])
    assert margin.left_out == ()
    assert runs.read(columns(given), "macro_f1")["random"].values.tolist() == [[0.05, 0.1]]


def test_seeds_without_all_rounds_are_left_out_with_the_reason() -> None:
    given = [
        *rows({"margin": [[0.5, 0.6, 0.7], [0.5, 0.6], [0.5, 0.6, NAN]]}),
        row("margin", 3, 0, 0.5),
        failed("margin", 3, 1, "OSError: no space left"),
        row("margin", 4, 0, 0.5),
        row("margin", 4, 1, 0.6),
        row("margin", 4, 2, 0.7, labels=None),
    ]
    found = runs.read(columns(given), "accuracy")["margin"]
    assert found.seeds == (0,)
    assert [(one.seed, one.reason) for one in found.left_out] == [
        (1, "round 2 is not there yet"),
        (2, "accuracy of round 2 is not a number"),
        (3, "failed in round 1: OSError: no space left"),
        (4, "labels of round 2 is not a number"),
    ]


def test_a_failed_seed_does_not_say_how_many_rounds_there_are() -> None:
    """An interrupted simulation: the failed seed was ahead of the others."""
    given = [*rows({"margin": [[0.5, 0.6], [0.5, 0.7], [0.5, 0.6, 0.7]]}), failed("margin", 2, 3, "killed")]
    found = runs.read(columns(given), "accuracy")["margin"]
    assert found.seeds == (0, 1)
    assert found.rounds.tolist() == [0, 1]


def test_no_complete_seed() -> None:
    found = runs.read(columns([failed("margin", 0, 0, "boom")]), "accuracy")["margin"]
    assert found.seeds == ()
    assert found.values.shape == (0, 0)


def test_an_error_that_is_not_text_is_none() -> None:
    """A data frame has NaN where a table has null."""
    found = runs.read(results({"margin": [[0.5, 0.6]]}, error=NAN), "accuracy")
    assert found["margin"].seeds == (0,)


def test_a_broken_table() -> None:
    good = results({"margin": [[0.5, 0.6]]})
    with pytest.raises(ValueError, match="missing from the results: labels, error"):
        runs.read({name: good[name] for name in good if name not in ("labels", "error")}, "accuracy")
    with pytest.raises(ValueError, match="differ in length"):
        runs.read({**good, "accuracy": [0.5]}, "accuracy")
    with pytest.raises(ValueError, match="margin, seed 0, round 1 twice"):
        runs.read(columns([*rows({"margin": [[0.5, 0.6]]}), row("margin", 0, 1, 0.6)]), "accuracy")
