"""Class balance and confusion: by hand, recall and precision also by scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from alcli.reporting import grids
from alcli.reporting.page import Confusion, RoundLine
from numpy.typing import ArrayLike
from sklearn.metrics import precision_score, recall_score


def line(number: int, classes: list[int]) -> RoundLine:
    return RoundLine(number, "margin", 0, sum(classes), None, "", None, classes, None)


def cells(table: ArrayLike) -> dict[tuple[int, int], int]:
    counts = np.asarray(table)
    return {(int(true), int(taken)): int(counts[true, taken]) for true, taken in np.argwhere(counts)}


def test_balance_before_and_after_each_round() -> None:
    table = grids.balance([line(0, [6, 2]), line(1, [6, 6]), line(2, [8, 8])], ["cat", "dog"])
    assert table is not None
    cat, dog = table.rows
    assert cat.cells == [(6, None), (6, 0), (8, 2)]
    assert dog.cells == [(2, None), (6, 4), (8, 2)]
    assert [(part.start, part.width, part.kind) for part in dog.segments] == [
        (0, 25, "start"),
        (25, 50, "earlier"),
        (75, 25, "new"),
    ]
    assert [part.kind for part in cat.segments] == ["start", "new"]
    assert table.totals == [8, 12, 16]
    entropy = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert table.evenness == pytest.approx([entropy, 1.0, 1.0])


def test_a_round_older_than_a_class_has_none_of_it() -> None:
    table = grids.balance([line(0, [3]), line(1, [3, 1])], ["cat", "dog"])
    assert table is not None
    assert table.rows[1].cells == [(0, None), (1, 1)]
    assert table.evenness[0] == 0.0


def test_labels_taken_back_leave_no_gap() -> None:
    table = grids.balance([line(0, [8]), line(1, [4]), line(2, [6])], ["cat"])
    assert table is not None
    assert [(part.start, part.width, part.kind) for part in table.rows[0].segments] == [(0, 100, "start")]
    assert table.rows[0].cells == [(8, None), (4, -4), (6, 2)]
    assert table.evenness == [None, None, None], "one class is neither even nor uneven"


@pytest.mark.parametrize(
    "rounds", [[], [line(0, [])], [line(0, [0, 0])]], ids=["no rounds", "no classes", "no labels"]
)
def test_no_labels_no_balance(rounds: list[RoundLine]) -> None:
    assert grids.balance(rounds, ["cat", "dog"][: len(rounds) * 2]) is None


def test_shares_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(2)
    true, predicted = random.integers(0, 4, 200), random.integers(0, 4, 200)
    counts = np.zeros((4, 4), int)
    np.add.at(counts, (true, predicted), 1)
    table = grids.matrix(Confusion("", list("abcd"), cells(counts)))
    assert [row.recall for row in table.rows] == pytest.approx(recall_score(true, predicted, average=None))
    assert [row.precision for row in table.rows] == pytest.approx(
        precision_score(true, predicted, average=None)
    )
    assert (table.total, table.right) == (200, int((true == predicted).sum()))
    assert [cell.count for cell in table.rows[1].cells] == counts[1].tolist()


def test_a_class_without_images_has_no_recall() -> None:
    table = grids.matrix(Confusion("", ["cat", "dog"], {(0, 0): 3}))
    assert [row.recall for row in table.rows] == [1.0, None]
    assert [row.precision for row in table.rows] == [1.0, None]
    assert [[cell.level for cell in row.cells] for row in table.rows] == [[8, 0], [0, 0]]
    assert table.mix_ups == []
    assert [row.rival for row in table.rows] == [None, None]


def test_mix_ups_are_the_largest_errors() -> None:
    table = grids.matrix(Confusion("", ["cat", "dog", "fox"], cells([[9, 1, 5], [0, 9, 0], [7, 0, 2]])))
    assert table.mix_ups == [("fox", "cat", 7), ("cat", "fox", 5), ("cat", "dog", 1)]
    assert [row.rival for row in table.rows] == [("fox", 5), None, ("cat", 7)]
    # Shades are eighths of the row, rounded up: one of 15 is the lightest.
    assert [cell.level for cell in table.rows[0].cells] == [5, 1, 3]
    assert [cell.hit for cell in table.rows[0].cells] == [True, False, False]


def test_a_wide_matrix_keeps_margins_only() -> None:
    size = grids.WIDEST + 1
    counts = np.eye(size, dtype=int) * 2
    counts[0, 5] = 3
    table = grids.matrix(Confusion("", [str(code) for code in range(size)], cells(counts)))
    assert not table.crossed
    assert all(not row.cells for row in table.rows)
    assert table.rows[0].rival == ("5", 3)
