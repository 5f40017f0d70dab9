"""MaxHerding, and what the coverage strategies share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alcli.errors import UsageError
from alcli.ranking import plan
from alcli.strategies._batch import Batch, Size
from alcli.strategies.maxherding import maxherding
from numpy.typing import NDArray

from tests.geometry import coverings


def pick(rows: NDArray[np.float32], k: int, labelled: int = 0, **options: Any) -> Batch:
    about = {"seed": 0, "device": "cpu", "labelled_embeddings": rows[:labelled], **options}
    return maxherding(rows[labelled:], k=k, **about)


def test_golden() -> None:
    batch = pick(coverings.GOLDEN, 3, normalise=False)
    assert batch.rows.tolist() == [1, 4, 5]
    assert batch.scores == pytest.approx([0.468107, 0.301709, 0.166553], abs=5e-7)
    assert batch.quality == pytest.approx({"coverage_before": 0, "coverage": 0.936370, "kernel_width": 1})
    assert list(batch.approximations) == []


@pytest.mark.parametrize(("labelled", "width"), [(0, 1.0), (5, 1.0), (20, 0.4)])
def test_the_twin(labelled: int, width: float) -> None:
    rows = coverings.points(160, 24, clustered=True)
    batch = pick(rows * np.float32(3), 40, labelled, width=width)
    similarity = coverings.similarities(rows[labelled:], rows, "rbf", width)
    pool = len(similarity)
    covered = similarity[:, :labelled].max(axis=1, initial=0)
    expected = coverings.plain(similarity[:, labelled:], 40, np.ones(pool), covered)
    assert batch.rows.tolist() == expected[0]
    assert batch.scores == pytest.approx(np.array(expected[1]) / pool, abs=1e-6)
    assert batch.quality["coverage_before"] == pytest.approx(covered.mean(), abs=1e-6)


def test_what_is_covered_completely_is_filled_up_and_told(caplog: pytest.LogCaptureFixture) -> None:
    rows = np.repeat(coverings.points(4, 9, clustered=False), 3, axis=0)
    batch = pick(rows, 7)
    assert sorted(batch.rows[:4] // 3) == [0, 1, 2, 3]
    assert batch.rows[4:].tolist() == [1, 2, 4]
    assert batch.scores[4:].tolist() == [0, 0, 0]
    assert list(batch.reasons) == ["diverse"] * 4 + ["fill"] * 3
    assert batch.quality["filled"] == 3
    assert batch.quality["coverage"] == pytest.approx(1)
    assert "after 4 picks nothing is left to cover" in caplog.text


def test_a_larger_pool_is_drawn_from_and_told() -> None:
    rows = coverings.points(300, 8, clustered=True)
    batch = pick(rows, 20, candidates_limit=60, reference_limit=100)
    assert len(set(batch.rows.tolist())) == 20
    assert [note.split(" images")[0] for note in batch.approximations] == [
        "chosen among 60 of 300",
        "coverage estimated on 100 of 300",
    ]
    assert batch.rows.tolist() == pick(rows, 20, candidates_limit=60, reference_limit=100).rows.tolist()
    assert batch.rows[:7].tolist() == pick(rows, 7, candidates_limit=60, reference_limit=100).rows.tolist()
    other = pick(rows, 20, seed=1, candidates_limit=60, reference_limit=100)
    assert batch.rows.tolist() != other.rows.tolist()


@pytest.mark.parametrize("name", ["maxherding", "uherding", "probcover", "facility-location"])
def test_more_than_the_candidates_is_refused(name: str) -> None:
    signals = ["embeddings", "probabilities"]
    plan(name, signals).check(Size(1_000_000, 50_000, 0, 10, 512))
    plan(name, signals).check(Size(60_000, 60_001, 0, 10, 512))  # all there are is clamped elsewhere
    with pytest.raises(UsageError, match="60,000 images cannot be picked among 50,000") as caught:
        plan(name, signals).check(Size(1_000_000, 60_000, 0, 10, 512))
    assert caught.value.hint == "--option candidates_limit=120000"


@pytest.mark.parametrize(("option", "value"), [("width", 0), ("candidates_limit", 0), ("reference_limit", 0)])
def test_options_out_of_range_are_refused(option: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{option} is {value}; it must be a"):
        plan("maxherding", ["embeddings"], options={option: value})
