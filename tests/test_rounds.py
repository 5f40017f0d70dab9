"""Rounds: the record on disk, how audits are drawn, and the interval around their accuracy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from alcli import identity, rounds
from alcli.choosing import audit_draw
from alcli.errors import StepMissing
from alcli.manifest import Manifest
from alcli.project import Project
from scipy.stats import binomtest, chisquare


@pytest.fixture
def pool(scored_pool: Callable[..., Project]) -> Project:
    return scored_pool(np.full((12, 2), 0.5))


def test_a_lost_record_cannot_be_read(pool: Project) -> None:
    pool.round_folder(1).mkdir(parents=True)
    (pool.round_folder(1) / rounds.RECORD).write_text("{")
    (pool.round_folder(1) / rounds.LISTING).touch()
    with pytest.raises(StepMissing, match="round 1") as failure:
        rounds.read(pool, 1)
    assert "--replace" in str(failure.value.hint)


def test_rows_are_those_that_a_dictionary_finds() -> None:
    """Also of ids that are asked for twice, that are not there, or where nothing is there at all."""
    names = [f"{name}.png" for name in "qwertzuiop"]
    manifest = Manifest.build({"file_name": names, "size": [1] * 10, "mtime_ns": [1] * 10}, [])
    where = {name: row for row, name in enumerate(manifest.strings("alcli_id"))}
    ids = identity.alcli_ids(["o.png", "a.png", "q.png", "o.png"])
    found = rounds.rows_of(manifest, ids)
    assert found.tolist() == [where.get(name, -1) for name in ids]
    assert found[1] == -1
    assert rounds.rows_of(manifest, []).tolist() == []
    empty = Manifest.build({"file_name": [], "size": [], "mtime_ns": []}, [])
    assert rounds.rows_of(empty, ids).tolist() == [-1] * 4


@pytest.mark.parametrize(("correct", "n"), [(0, 7), (7, 7), (1, 7), (380, 400), (0, 1), (1, 1)])
def test_the_interval_is_scipys(correct: int, n: int) -> None:
    assert rounds.interval(correct, n) == pytest.approx(binomtest(correct, n).proportion_ci(method="exact"))


def test_without_answers_the_interval_is_everything() -> None:
    assert rounds.interval(0, 0) == (0.0, 1.0)


def covered(seed: int, *, truth: float, n: int, drawn: int) -> bool:
    keys = np.random.default_rng(0).integers(0, 2**63, n).astype(np.uint64)
    right = np.arange(n) < truth * n  # of the whole pool, so many are guessed right
    rows = audit_draw(keys, drawn, seed=seed, round_=1)
    low, high = rounds.interval(int(right[rows].sum()), drawn)
    return low <= truth <= high


def test_the_interval_covers_the_true_accuracy_in_95_of_100_audits() -> None:
    share = np.mean([covered(seed, truth=0.8, n=2_000, drawn=60) for seed in range(400)])
    assert (
        0.93 <= share <= 1.0
    )  # Clopper and Pearson promise at least 0.95; 0.93 is two standard errors below


def test_the_draw_is_uniform_over_the_pool() -> None:
    keys = np.random.default_rng(1).integers(0, 2**63, 50).astype(np.uint64)
    counts: Any = np.zeros(50)
    for seed in range(2_000):
        counts[audit_draw(keys, 5, seed=seed, round_=1)] += 1
    assert chisquare(counts).pvalue > 0.001


def test_each_round_draws_anew() -> None:
    keys = np.arange(1_000, dtype=np.uint64)
    one, other = (set(audit_draw(keys, 100, seed=0, round_=number)) for number in (1, 2))
    assert len(one) == len(other) == 100
    assert 1 <= len(one & other) <= 25  # 10 are expected
