"""Pseudo-labels that last one round, and those that stay."""

from __future__ import annotations

import numpy as np
from alcli import guesses
from alcli.manifest import Manifest


def manifest() -> Manifest:
    columns = {
        "file_name": ["a.png", "b.png", "c.png", "d.png"],
        "label": ["x", None, None, None],
        "pseudo_label": [None, "x", "y", None],
        "pseudo_confidence": [None, 0.9, 0.8, None],
        "pseudo_method": [None, "ceal-entropy", "entropy", None],
        "pseudo_round": [None, 3, 3, None],
        "queried_round": [None, None, None, 3],
        "size": [1] * 4,
        "mtime_ns": [1] * 4,
    }
    return Manifest.build(columns, ["x", "y"])


def test_only_those_of_ceal_pass() -> None:
    assert guesses.passing(manifest()).tolist() == [False, True, False, False]


def test_the_next_round_begins_without_them_and_changes_nothing_else() -> None:
    before, after = manifest(), guesses.at_round(manifest(), 4)
    assert after.round == 4
    assert after.strings("pseudo_label") == [None, None, "y", None]
    for column in ("pseudo_confidence", "pseudo_method", "pseudo_round"):
        assert after.filled(column).tolist() == [False, False, True, False]
    for column in set(before.table.column_names) - {
        name for name in before.table.column_names if "pseudo" in name
    }:
        assert after.table[column].equals(before.table[column])


def test_without_any_nothing_is_removed() -> None:
    given = manifest()
    assert guesses.removed(given, np.zeros(4, np.bool_)) is given
