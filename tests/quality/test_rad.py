"""RAD's table, row by row."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from alcli.quality import rad
from alcli.quality.rad import Method

# (y, L, C) of algorithms.md A.15, and what becomes of each label.
Y, L, C = np.array([[0, 0, 1], [0, 1, 0], [0, 1, 1], [0, 1, 2]]).T
GOLDEN = {
    "rad": (["keep", "drop", "drop", "drop"], [0, 0, 0, 0]),
    "rad-voting": (["keep", "keep", "relabel", "drop"], [0, 0, 1, 0]),
    "rad-active": (["keep", "keep", "relabel", "ask"], [0, 0, 1, 0]),
    "rad-slim": (["ask", "keep", "ask", "ask"], [0, 0, 0, 0]),
}


def told(verdicts: rad.Verdicts) -> list[str]:
    return [rad.DECISIONS[code] for code in verdicts.decisions]


@pytest.mark.parametrize("method", GOLDEN)
def test_the_published_table(method: Method) -> None:
    found = rad.decide(Y, L, C, method)
    assert (told(found), found.labels.tolist()) == GOLDEN[method]


def one(y: int, guess: int, seen: int, method: str) -> tuple[str, int]:
    """The table read aloud."""
    if method == "rad-slim":
        return ("keep", y) if seen == y else ("ask", y)
    if guess == y:
        return "keep", y
    if method == "rad":
        return "drop", y
    if seen == y:
        return "keep", y
    if seen == guess:
        return "relabel", seen
    return ("ask" if method == "rad-active" else "drop"), y


@pytest.mark.parametrize("method", GOLDEN)
def test_every_combination_of_three_classes(method: Method) -> None:
    rows = np.array(list(itertools.product(range(3), repeat=3)))
    found = rad.decide(*rows.T, method)
    expected = [one(*row, method) for row in rows.tolist()]
    assert list(zip(told(found), found.labels.tolist(), strict=True)) == expected


def test_the_most_urgent_questions_are_asked_and_the_others_dropped() -> None:
    decisions = np.array([rad.ASK, rad.KEEP, rad.ASK, rad.ASK, rad.RELABEL, rad.ASK], np.int8)
    urgency = np.array([0.5, 0.9, 0.7, 0.5, 0.9, 0.1])
    keys = np.array([9, 1, 2, 3, 4, 5], np.uint64)
    found = rad.within_budget(decisions, urgency, keys, 2)
    assert found.tolist() == [rad.DROP, rad.KEEP, rad.ASK, rad.ASK, rad.RELABEL, rad.DROP]  # of equals, key 3
    assert rad.within_budget(decisions, urgency, keys, 0).tolist().count(rad.ASK) == 0
    assert rad.within_budget(decisions, urgency, keys, None) is decisions
    assert decisions[0] == rad.ASK


def test_no_labels() -> None:
    nothing = np.zeros(0, np.int64)
    found = rad.decide(nothing, nothing, nothing, "rad-active")
    assert len(found.decisions) == len(found.labels) == 0
