"""Probability cover."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alcli.geometry import clustering
from alcli.strategies._batch import Batch
from alcli.strategies.probcover import probcover, pure_radius
from numpy.typing import NDArray

from tests.geometry import coverings


def pick(rows: NDArray[np.float32], k: int, labelled: int = 0, **options: Any) -> Batch:
    about = {"seed": 0, "device": "cpu", "classes": 6, "labelled_embeddings": rows[:labelled], **options}
    return probcover(rows[labelled:], k=k, **about)


def test_golden() -> None:
    batch = pick(coverings.GOLDEN, 3, normalise=False, delta=0.5)
    assert list(zip(batch.rows.tolist(), batch.scores.tolist(), strict=True)) == [(1, 3), (3, 2), (5, 1)]
    assert batch.quality == {"coverage_before": 0, "coverage": 1, "kernel_width": 0.5}


@pytest.mark.parametrize("delta", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("labelled", [0, 12])
def test_the_twin(labelled: int, delta: float) -> None:
    rows = coverings.points(180, 12, clustered=True)
    batch = pick(rows, 30, labelled, delta=delta)
    similarity = coverings.similarities(rows[labelled:], rows, "ball", delta)
    covered = similarity[:, :labelled].max(axis=1, initial=0)
    expected = coverings.plain(similarity[:, labelled:], 30, np.ones(len(similarity)), covered)
    assert batch.rows[: len(expected[0])].tolist() == expected[0]
    assert batch.scores[: len(expected[0])].tolist() == expected[1]


def test_what_is_labelled_covers_first() -> None:
    batch = pick(coverings.GOLDEN[[1, 0, 2, 3, 4, 5]], 2, 1, normalise=False, delta=0.5)
    assert batch.rows.tolist() == [2, 4]  # 2 and 5; what 0.4 covers counts no more
    assert batch.quality["coverage_before"] == pytest.approx(2 / 5)


def test_the_last_images_can_be_picked() -> None:
    """Released code gives the last n mod 500 no edges, and never picks them."""
    rows = np.zeros((503, 2), np.float32)
    rows[500:] = [[9, 0], [0, 9], [9, 9]]
    batch = pick(rows, 4, normalise=False, delta=0.5)
    assert batch.rows.tolist() == [0, 500, 501, 502]


def test_all_covered_never_repeats(caplog: pytest.LogCaptureFixture) -> None:
    """Released code returns row 0 again and again; here the farthest from those chosen fill up."""
    batch = pick(coverings.GOLDEN, 6, normalise=False, delta=0.5)
    assert batch.rows.tolist() == [1, 3, 5, 0, 2, 4]
    assert batch.scores.tolist() == [3, 2, 1, 0, 0, 0]
    assert batch.quality["coverage"] == 1
    assert batch.quality["filled"] == 3
    assert "after 3 picks" in caplog.text


@pytest.mark.parametrize("purity", [0.5, 0.8, 0.95, 1.0])
def test_the_radius_is_the_largest_that_is_pure(purity: float) -> None:
    rows = coverings.points(200, 5, clustered=False)
    radius = pure_radius(rows, 6, purity, seed=0)
    labels = clustering.kmeans(rows, 6, seed=0, purpose="probcover").labels
    distances = np.sqrt(((rows[:, None].astype(np.float64) - rows) ** 2).sum(axis=2))
    other = labels[:, None] != labels

    def pure(delta: float) -> float:
        return float((~((distances < delta) & other).any(axis=1)).mean())

    assert pure(radius * (1 - 1e-5)) >= purity
    assert pure(radius * (1 + 1e-4)) < purity


def test_the_radius_is_used_and_told() -> None:
    rows = coverings.points(200, 5, clustered=True)
    batch = pick(rows, 5, clusters=6)
    assert batch.quality["kernel_width"] == pure_radius(rows, 6, 0.95, seed=0)
    looser = pick(rows, 5, purity=0.6)
    assert looser.quality["kernel_width"] > batch.quality["kernel_width"]


def test_the_radius_of_many_images_is_judged_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alcli.strategies.probcover._SAMPLE", 50)
    batch = pick(coverings.points(200, 5, clustered=True), 5)
    assert list(batch.approximations) == ["delta judged on 50 of 200 images"]


def test_the_radius_where_there_is_one_cluster() -> None:
    assert pure_radius(np.ones((9, 3), np.float32), 4, 0.95, seed=0) == 1
    assert pick(np.ones((9, 3), np.float32), 2, classes=1).quality["kernel_width"] == 1
