"""Batches: filled up, moved into larger arrays, and put together."""

from __future__ import annotations

import numpy as np
from alcli.strategies._batch import Batch, filled, joined


def rows(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_what_was_not_picked_fills_up_in_order() -> None:
    batch = filled(rows(4, 1), np.array([3.0, 2.0]), 4, rows(1, 0, 4, 7, 9))
    assert batch.rows.tolist() == [4, 1, 0, 7]
    assert batch.scores.tolist() == [3, 2, 0, 0]
    assert list(batch.reasons) == ["diverse", "diverse", "fill", "fill"]


def test_what_fills_up_scores_no_more_than_what_was_picked() -> None:
    assert filled(rows(0), np.array([-2.0]), 2, rows(0, 1)).scores.tolist() == [-2, -2]


def test_a_full_batch_is_left_alone() -> None:
    batch = filled(rows(2, 0), np.array([1.0, 0.5]), 2, rows(0, 1, 2))
    assert (batch.rows.tolist(), list(batch.reasons)) == ([2, 0], ["diverse", "diverse"])


def test_positions_in_a_larger_array() -> None:
    assert Batch(rows(2, 0), np.zeros(2)).at(rows(10, 11, 12)).rows.tolist() == [12, 10]


def test_parts_take_turns_and_their_clusters_stay_apart() -> None:
    one = Batch(rows(5, 6), np.array([1.0, 2.0]), ["a", "b"], rows(0, 1), {"radius": 1.5}, ["note"])
    other = Batch(rows(7, 8), np.array([3.0, 4.0]), ["c", "d"], rows(0, 3), {"radius": 2.5}, ["note", "more"])
    batch = joined([one, other], rows(0, 2, 1, 3))
    assert batch.rows.tolist() == [5, 7, 6, 8]
    assert batch.scores.tolist() == [1, 3, 2, 4]
    assert list(batch.reasons) == ["a", "c", "b", "d"]
    assert batch.clusters is not None
    assert batch.clusters.tolist() == [0, 2, 1, 5]
    assert dict(batch.quality) == {"radius": [1.5, 2.5]}
    assert list(batch.approximations) == ["note", "more"]


def test_clusters_are_known_only_if_every_part_knows_them() -> None:
    parts = [Batch(rows(0), np.zeros(1), clusters=rows(0)), Batch(rows(1), np.zeros(1))]
    assert joined(parts, rows(0, 1)).clusters is None
    assert joined([], rows()).rows.tolist() == []
