"""The device's engine draws what the other one draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from alcli.accelerated import kmeans_plus_plus
from alcli.strategies import _kmeans_plus_plus, badge
from numpy.typing import NDArray

from tests.strategies.test_badge import made, picked, residuals


def on_device(
    p: NDArray[np.float32], h: NDArray[np.float32], *, device: str = "cpu", bias: bool = False
) -> kmeans_plus_plus.KMeansPlusPlus:
    return kmeans_plus_plus.KMeansPlusPlus(
        residuals(p),
        h,
        bias=bias,
        device=device,
        block=_kmeans_plus_plus.BLOCK,
        close=_kmeans_plus_plus.CLOSE,
    )


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "c", "clusters", "copies"),
    [(600, 16, 10, 0, 1), (700, 40, 3, 20, 2), (400, 5, 1, 4, 1), (1, 2, 2, 0, 1)],
)
def test_same_draws(n: int, d: int, c: int, clusters: int, copies: int, bias: bool) -> None:
    p, h = made(n, d, c, clusters=clusters, copies=copies)
    one = _kmeans_plus_plus.KMeansPlusPlus(residuals(p), h, bias=bias)
    other = on_device(p, h, bias=bias)
    k = min(200, n)
    rows, scores = badge._drawn(one, k, np.random.default_rng(3))
    twin_rows, twin_scores = badge._drawn(other, k, np.random.default_rng(3))
    assert rows.tolist() == twin_rows.tolist()
    assert scores == pytest.approx(twin_scores, rel=1e-9)
    assert one.sums() == pytest.approx(other.sums(), rel=1e-9, abs=1e-15)
    for number in range(len(one.sums())):
        assert one.block(number) == pytest.approx(other.block(number), rel=1e-9, abs=1e-15)


def test_copies_and_zeros_weigh_exactly_nothing() -> None:
    p, h = made(50, 8, 4, copies=4)
    h[7] = 0
    engine = on_device(p, h)
    engine.add(3)
    same = np.flatnonzero((h == h[3]).all(axis=1))
    assert len(same) == 4
    assert engine.block(0)[[*same, 7]].tolist() == [0] * 5


def test_near_duplicates_keep_their_distance() -> None:
    p = np.tile(np.array([[0.6, 0.4]], np.float32), (2, 1))
    h = np.full((2, 4), 30_000, np.float32)
    h[1, 0] += 0.25
    engine = on_device(p, h)
    engine.add(1)
    a = residuals(p)[0].astype(float)
    assert engine.block(0)[:2] == pytest.approx([float(a @ a) / 16, 0], rel=1e-12)


def test_the_strategy_goes_to_the_device_that_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Spy(kmeans_plus_plus.KMeansPlusPlus):
        def __init__(self, *factors: NDArray[np.float32], device: str, **more: object) -> None:
            asked.append(device)
            super().__init__(*factors, device="cpu", **more)

    monkeypatch.setattr(kmeans_plus_plus, "KMeansPlusPlus", Spy)
    p, h = made(100, 6, 4)
    keys = np.arange(100, dtype=np.uint64)
    batch = badge.badge(p, h, keys, k=30, seed=0, device="cuda:0")
    assert asked == ["cuda:0"]
    assert batch.rows.tolist() == picked(p, h, 30).rows.tolist()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("bias", [False, True])
def test_same_draws_on_cuda(bias: bool) -> None:
    p, h = made(20_000, 64, 10, clusters=100)
    keys = np.arange(20_000, dtype=np.uint64)
    batch = badge.badge(p, h, keys, k=500, seed=0, device="cuda", bias=bias)
    again = badge.badge(p, h, keys, k=500, seed=0, device="cuda", bias=bias)
    assert batch.rows.tolist() == picked(p, h, 500, bias=bias).rows.tolist()
    assert batch.scores.tobytes() == again.scores.tobytes()
