"""The twin for a device picks what the engine in numpy picks."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.accelerated import kcenter as accelerated
from alcli.strategies._farthest import farthest_first
from alcli.strategies.kcenter import kcenter
from numpy.typing import NDArray


def points(n: int, d: int) -> NDArray[np.float32]:
    rng = np.random.default_rng([n, d])
    return (rng.normal(size=(n, d)) + rng.normal(scale=5, size=(9, d))[rng.integers(9, size=n)]).astype(
        np.float32
    )


@pytest.mark.parametrize("l", [0, 1, 12])
@pytest.mark.parametrize(("n", "d", "k"), [(40, 1, 20), (300, 7, 90), (400, 60, 100)])
def test_the_picks_of_the_engine(n: int, d: int, k: int, l: int) -> None:  # noqa: E741 (l labelled)
    rows = points(n + l, d)
    expected = farthest_first(rows[l:], rows[:l], k)
    picks, scores, radius, mean = accelerated.farthest_first(rows[l:], rows[:l], k, device="cpu")
    assert picks.tolist() == expected.rows.tolist()
    assert scores == pytest.approx(expected.scores, rel=1e-5)
    assert (radius, mean) == pytest.approx((expected.radius, expected.mean), rel=1e-5)


@pytest.mark.parametrize("l", [0, 1])
def test_duplicates_are_exactly_equal(l: int) -> None:  # noqa: E741 (l labelled)
    rows = np.repeat(points(4, 30) + np.float32(1000), 5, axis=0)
    picks, _, radius, _ = accelerated.farthest_first(rows, rows[:l], 15, device="cpu")
    assert len(picks) == 4 - l
    assert radius == 0


def test_identical_images() -> None:
    picks, scores, *_ = accelerated.farthest_first(
        np.ones((5, 3), np.float32), np.empty((0, 3), np.float32), 4, device="cpu"
    )
    assert (picks.tolist(), scores.tolist()) == ([0], [0])


def test_first_centres_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = points(200, 8)
    monkeypatch.setattr(accelerated, "_DISTANCES", 100)
    picks = accelerated.farthest_first(rows[30:], rows[:30], 50, device="cpu")[0]
    assert picks.tolist() == farthest_first(rows[30:], rows[:30], 50).rows.tolist()


def test_the_strategy_computes_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, original = points(60, 4), accelerated.farthest_first
    asked: list[str] = []

    def on_cpu(*arguments: NDArray[np.float32], device: str) -> object:
        asked.append(device)
        return original(*arguments, device="cpu")

    monkeypatch.setattr(accelerated, "farthest_first", on_cpu)
    batches = [
        kcenter(rows[5:], labelled_embeddings=rows[:5], k=9, device=name) for name in ("cuda:0", "cpu")
    ]
    assert batches[0].rows.tolist() == batches[1].rows.tolist()
    assert asked == ["cuda:0"]


@pytest.mark.gpu
def test_the_picks_of_the_engine_on_a_real_device() -> None:
    rows = points(20_000, 128)
    batches = [
        kcenter(rows[50:], labelled_embeddings=rows[:50], k=500, device=name) for name in ("cuda", "cpu")
    ]
    assert batches[0].rows.tolist() == batches[1].rows.tolist()
