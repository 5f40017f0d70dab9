"""Uncertainty herding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alcli.strategies._batch import Batch
from alcli.strategies._covering import adaptive_width
from alcli.strategies.maxherding import maxherding
from alcli.strategies.uherding import uherding
from numpy.typing import NDArray

from tests.geometry import coverings

NONE = np.empty((0, 1), np.float32)


def pick(
    rows: NDArray[np.float32], labelled: NDArray[np.float32], weights: Any, k: int, **options: Any
) -> Batch:
    weights = np.asarray(weights, np.float64)
    about = {"seed": 0, "device": "cpu", "labelled_embeddings": labelled, **options}
    return uherding(rows, 1 - weights, 1 - weights / 2, weights * 3, k=k, **about)


def test_golden() -> None:
    far = np.array([[1000]], np.float32)  # covers nothing, but there is something labelled
    batch = pick(coverings.GOLDEN, far, [0.1, 0.1, 0.1, 0.9, 0.2, 1], 3, normalise=False)
    assert batch.rows.tolist() == [3, 5, 1]
    assert batch.scores == pytest.approx([0.186027, 0.166646, 0.039529], abs=5e-7)
    assert batch.quality["kernel_width"] == 1


@pytest.mark.parametrize(
    ("uncertainty", "scale", "width"), [("margin", 1, 0.3), ("confidence", 0.5, 1.0), ("entropy", 3, 0.05)]
)
def test_the_twin(uncertainty: str, scale: float, width: float) -> None:
    rows = coverings.points(170, 20, clustered=True)
    weights = np.random.default_rng(0).random(150)
    batch = pick(rows[20:], rows[:20], weights, 30, uncertainty=uncertainty, width=width)
    similarity = coverings.similarities(rows[20:], rows, "rbf", width)
    covered = similarity[:, :20].max(axis=1)
    expected = coverings.plain(similarity[:, 20:], 30, weights * scale, covered)
    assert batch.rows.tolist() == expected[0]
    assert batch.scores == pytest.approx(np.array(expected[1]) / 150, abs=1e-6)


def test_without_labels_it_is_maxherding() -> None:
    rows = coverings.points(60, 5, clustered=True)
    weights = np.random.default_rng(0).random(60)
    ours = pick(rows, rows[:0], weights, 20)
    theirs = maxherding(rows, labelled_embeddings=rows[:0], k=20, seed=0, device="cpu")
    assert ours.rows.tolist() == theirs.rows.tolist()
    assert ours.scores.tolist() == theirs.scores.tolist()


def test_with_a_narrow_kernel_it_ranks_by_uncertainty() -> None:
    rows = coverings.points(80, 10, clustered=False)
    weights = np.random.default_rng(0).random(75)
    batch = pick(rows[5:], rows[:5], weights, 75, width=1e-3)
    assert batch.rows.tolist() == np.argsort(-weights).tolist()


def test_what_is_certain_fills_up_by_uncertainty(caplog: pytest.LogCaptureFixture) -> None:
    rows = np.repeat(coverings.points(3, 6, clustered=False), 4, axis=0)
    weights = np.tile([0.5, 0.1, 0.7, 0.3], 3)
    batch = pick(rows, rows[:4], weights, 6, width=0.1)
    assert batch.rows[:2].tolist() == [4, 8]  # the first image is labelled
    assert batch.rows[2:].tolist() == [2, 6, 10, 0]
    assert batch.quality["filled"] == 4
    assert "fill up" in caplog.text


def test_the_width_narrows_with_labels() -> None:
    rows = coverings.points(2_000, 3, clustered=False)
    widths = [adaptive_width(rows[:count]) for count in (2, 200, 2_000)]
    assert widths == sorted(widths, reverse=True)
    distances = np.sqrt(((rows[:200, None].astype(np.float64) - rows[:200]) ** 2).sum(axis=2))
    np.fill_diagonal(distances, np.inf)
    assert widths[1] == pytest.approx(np.quantile(distances.min(axis=1), 0.01), rel=1e-3)
    assert widths[1] >= distances.min() * 0.999


def test_the_width_of_images_labelled_twice_does_not_collapse() -> None:
    """Released code takes their distance, rounding, for the width, and covers nothing but themselves."""
    rows = coverings.points(50, 64, clustered=False)
    twice = np.concatenate([rows, rows * np.float32(1 + 1e-7)])
    assert adaptive_width(twice) == pytest.approx(adaptive_width(rows), rel=1e-2)
    assert adaptive_width(rows[:1]) == adaptive_width(np.repeat(rows[:1], 9, axis=0)) == 1
    assert adaptive_width(rows[:0]) == 1


@pytest.mark.parametrize("d", [16, 256, 1024])
def test_an_image_is_not_its_own_neighbour(d: int) -> None:
    """In float32 a matrix product puts an image up to 0.002 apart from itself."""
    rows = coverings.points(200, d, clustered=False)
    distances = np.sqrt(((rows[:, None].astype(np.float64) - rows) ** 2).sum(axis=2))
    np.fill_diagonal(distances, np.inf)
    assert adaptive_width(rows) == pytest.approx(np.quantile(distances.min(axis=1), 0.01), rel=1e-6)
