"""Gold rows on record: which images they are, what was known of them, and how often annotators agreed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from alcli import gold, identity, ledger, rounds
from alcli.manifest import Manifest
from alcli.project import Project
from scipy.stats import binomtest


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    (tmp_path / "pool").mkdir()
    return Project.open(tmp_path / "pool")


def planted(project: Project, number: int, *, again: tuple[str, ...] = (), **labels: str) -> None:
    """Write the record of a round with these gold rows, and these images that are to be labelled again."""
    ids = identity.alcli_ids([*labels, *again])
    reasons = ["gold"] * len(labels) + [rounds.AGAIN] * len(again)
    table = rounds.tabulated(strategy="random", number=number, alcli_id=ids, reason=reasons)
    columns = [ids[: len(labels)], list(labels.values())]
    about = {"round": number, "counts": {"gold": len(labels), "again": len(again)}}
    rounds.write(project, number, about, table, gold=pa.table(columns, schema=rounds.GOLD_COLUMNS))


def manifest_of(project: Project, round_: int) -> Manifest:
    columns = {"file_name": ["a", "b", "c"], "size": [1] * 3, "mtime_ns": [1] * 3}
    manifest = Manifest.build(columns, ["cat", "dog"]).replace(round_=round_)
    with ledger.writing(project, "init"):
        ledger.commit(project, manifest, command="init")
    return manifest


def test_an_image_is_gold_until_it_is_sent_to_be_labelled_again(pool: Project) -> None:
    planted(pool, 1, a="cat", b="cat")
    planted(pool, 2, again=("b",), c="dog")
    names = {int(identity.alcli_id(name)[1:], 16): name for name in "abc"}
    found = gold.standing(pool, manifest_of(pool, 2))
    assert {names[key]: entry for key, entry in found.items()} == {"a": (1, "cat"), "c": (2, "dog")}
    found = gold.standing(pool, manifest_of(pool, 1))  # the second round was undone
    assert {names[key]: entry for key, entry in found.items()} == {"a": (1, "cat"), "b": (1, "cat")}


def test_agreement_has_an_exact_interval() -> None:
    names = ["ann"] * 10 + ["bo"] * 3 + [None]
    right = [True] * 8 + [False] * 2 + [True] * 3 + [False]
    found = gold.agreement(names, right)
    assert [(one.annotator, one.n, one.right, one.share) for one in found] == [
        ("ann", 10, 8, 0.8),
        ("bo", 3, 3, 1.0),
        (None, 1, 0, 0.0),
    ]
    for one in found:
        expected = binomtest(one.right, one.n).proportion_ci(method="exact")
        assert (one.low, one.high) == pytest.approx((expected.low, expected.high))
    assert gold.agreement([], []) == []
