"""The twin for a device picks what the engine in numpy picks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alcli.accelerated import coverage as accelerated
from alcli.geometry.coverage import Kernel, maximise
from alcli.strategies.maxherding import maxherding

from tests.geometry import coverings
from tests.geometry.coverings import SHAPES


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("n", "d", "k"), [(40, 2, 20), (400, 60, 50)])
def test_the_picks_of_the_engine(n: int, d: int, k: int, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerated, "_PAIRS", 7 * n)
    monkeypatch.setattr(accelerated, "_BATCH", 16)
    rows, rng = coverings.points(n, d, clustered=True), np.random.default_rng(n)
    weights = rng.random(n)
    covered = coverings.similarities(rows, rows[:1], shape, 0.5)[:, 0]
    about: dict[str, Any] = {"kernel": Kernel(shape, 0.5), "weights": weights, "covered": covered}
    expected = maximise(rows, rows, k, **about)
    found = accelerated.maximise(rows, rows, k, device="cpu", **about)
    assert found.rows.tolist() == expected.rows.tolist()
    assert found.gains == pytest.approx(expected.gains, rel=1e-3, abs=1e-5)
    assert (found.before, found.after) == pytest.approx((expected.before, expected.after), rel=1e-5)


def test_identical_images() -> None:
    rows = np.ones((5, 3), np.float32)
    found = accelerated.maximise(rows, rows, 4, kernel=Kernel("rbf"), device="cpu")
    assert (found.rows.tolist(), found.gains.tolist()) == ([0], [5])


def test_the_strategy_computes_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, original = coverings.points(60, 4, clustered=False), accelerated.maximise
    asked: list[str] = []

    def on_cpu(*arguments: Any, device: str, **more: Any) -> object:
        asked.append(device)
        return original(*arguments, device="cpu", **more)

    monkeypatch.setattr(accelerated, "maximise", on_cpu)
    about: dict[str, Any] = {"labelled_embeddings": rows[:5], "k": 9, "seed": 0}
    batches = [maxherding(rows[5:], device=name, **about) for name in ("cuda:0", "cpu")]
    assert batches[0].rows.tolist() == batches[1].rows.tolist()
    assert asked == ["cuda:0"]


@pytest.mark.gpu
@pytest.mark.parametrize("shape", SHAPES)
def test_the_picks_of_the_engine_on_a_real_device(shape: str) -> None:
    rows = coverings.points(20_000, 128, clustered=True)
    found, expected = (
        accelerated.maximise(rows, rows, 200, kernel=Kernel(shape, 0.7), device="cuda"),
        maximise(rows, rows, 200, kernel=Kernel(shape, 0.7)),
    )
    assert found.gains == pytest.approx(expected.gains, rel=1e-3, abs=1e-3)
    assert (found.rows == expected.rows).mean() > 0.95  # near ties may fall otherwise
