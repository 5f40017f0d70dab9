"""BAIT, and the explicit matrices that it avoids."""

from __future__ import annotations

from typing import Any

import alcli
import numpy as np
import pytest
from alcli.errors import UsageError
from alcli.ranking import find
from alcli.strategies import _fisher
from alcli.strategies._batch import Batch, Size
from alcli.strategies.bait import bait
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def factor(p: Floats, h: Floats) -> Floats:
    """The c rows √p_y (p - e_y) ⊗ h; (c, c·d)."""
    return np.stack([np.sqrt(p[y]) * np.kron(p - np.eye(len(p))[y], h) for y in range(len(p))])


def gain(x: Floats, inverse: Floats, target: Floats, sign: int) -> float:
    inner = np.linalg.inv(np.eye(len(x)) + sign * x @ inverse @ x.T)
    return float(np.trace(x @ inverse @ target @ inverse @ x.T @ inner))


def first_of_best(values: list[float]) -> int:
    best = max(values)
    return next(i for i, value in enumerate(values) if value >= best - 1e-9 * abs(best))


def naive(
    p: Floats, h: Floats, lp: Floats, lh: Floats, k: int, lam: float = 1.0
) -> tuple[list[int], list[float], float]:
    """Every matrix explicit, every inverse computed anew."""
    mine = [factor(a.astype(np.float64), b.astype(np.float64)) for a, b in zip(p, h, strict=True)]
    theirs = [factor(a.astype(np.float64), b.astype(np.float64)) for a, b in zip(lp, lh, strict=True)]
    count, wide = len(theirs), mine[0].shape[1]
    target = sum(x.T @ x for x in mine + theirs) / (len(mine) + count)
    known = lam * np.eye(wide) + sum((x.T @ x for x in theirs), np.zeros((wide, wide))) / max(
        count, 1
    ) * count / (count + k)
    mine = [x * np.sqrt(k / (count + k)) for x in mine]
    rows: list[int] = []
    gains: list[float] = []

    def inverse() -> Floats:
        return np.linalg.inv(known + sum((mine[i].T @ mine[i] for i in rows), np.zeros((wide, wide))))

    while len(rows) < min(2 * k, len(mine)):
        now = inverse()
        left = [i for i in range(len(mine)) if i not in rows]
        values = [gain(mine[i], now, target, 1) for i in left]
        at = first_of_best(values)
        rows.append(left[at])
        gains.append(values[at])
    while len(rows) > k:
        now = inverse()
        losses = [-gain(mine[i], now, target, -1) for i in rows[::-1]]
        at = len(rows) - 1 - first_of_best(losses)
        del rows[at], gains[at]
    return rows, gains, float(np.trace(inverse() @ target))


def made(n: int, d: int, c: int, known: int, seed: int, *, clustered: bool) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(5, d)) * 3
    h = rng.normal(size=(n + known, d)) * (0.3 if clustered else 1)
    if clustered:
        h += centres[rng.integers(5, size=n + known)]
    p = rng.dirichlet(np.full(c, 0.5), size=n + known)
    found = {"probabilities": p, "embeddings": h}
    pool = {name: values[:n].astype(np.float32) for name, values in found.items()}
    return pool | {f"labelled_{name}": values[n:].astype(np.float32) for name, values in found.items()}


def picked(data: dict[str, Any], k: int, **options: Any) -> Batch:
    about = {name: data[name] for name in data if name.startswith("labelled_")}
    return bait(data["probabilities"], data["embeddings"], **about, k=k, **options)


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "c", "known", "k"),
    [(40, 3, 3, 0, 4), (30, 2, 4, 7, 6), (25, 4, 2, 5, 9), (12, 3, 3, 2, 9), (60, 1, 5, 3, 1)],
)
def test_same_picks_as_with_explicit_matrices(
    n: int, d: int, c: int, known: int, k: int, clustered: bool
) -> None:
    for seed in range(2):
        data = made(n, d, c, known, seed, clustered=clustered)
        rows, gains, objective = naive(*data.values(), k)
        batch = picked(data, k)
        assert batch.rows.tolist() == rows
        assert batch.scores == pytest.approx(gains, rel=1e-6)
        assert batch.quality["objective"] == pytest.approx(objective, rel=1e-6)


@pytest.mark.parametrize("lam", [0.01, 100.0])
def test_regularisation(lam: float) -> None:
    data = made(30, 3, 3, 4, 5, clustered=True)
    assert picked(data, 5, regularisation=lam).rows.tolist() == naive(*data.values(), 5, lam)[0]


def test_golden_values() -> None:
    """algorithms.md B.10, x = (1, 0), (0, 1), (.7, .7); two even classes have the factor (1, -1)/2 ⊗ h of length |h|/√2."""
    h = np.sqrt(2) * np.array([[1, 0], [0, 1], [0.7, 0.7]], np.float32)
    data = {
        "probabilities": np.full((3, 2), 0.5, np.float32),
        "embeddings": h,
        "labelled_probabilities": np.empty((0, 2), np.float32),
        "labelled_embeddings": np.empty((0, 2), np.float32),
    }
    batch = picked(data, 3)
    assert batch.quality["objective_before"] == pytest.approx(0.993333, abs=1e-6)
    assert batch.rows[0] == 2
    assert batch.scores[0] == pytest.approx(0.326667, abs=1e-6)
    pool = _fisher.Candidates(_fisher.factors(data["probabilities"]), h)
    target = _fisher.information(pool.factors, h) / 3
    assert target == pytest.approx(np.array([[0.496667, 0.163333], [0.163333, 0.496667]]), abs=1e-6)
    pool.measure(_fisher.Metric(np.eye(2), target))
    gains = [pool.best(np.array([i]), 1)[1] for i in range(3)]
    assert gains == pytest.approx([0.248333, 0.248333, 0.326667], abs=1e-6)


def test_the_objective_falls_by_exactly_the_gains() -> None:
    data = made(20, 4, 3, 6, 0, clustered=False)
    batch = picked(data, 20)  # nothing is taken out
    fall = batch.quality["objective_before"] - batch.quality["objective"]
    assert batch.scores.sum() == pytest.approx(fall, rel=1e-9)
    assert (batch.scores > 0).all()


def test_taking_out_undoes_adding() -> None:
    data = made(20, 4, 3, 0, 0, clustered=False)
    pool = _fisher.Candidates(_fisher.factors(data["probabilities"]), data["embeddings"])
    state = _fisher.Metric(np.eye(8), _fisher.information(pool.factors, pool.embeddings))
    pool.measure(state)
    before = state.inverse.copy(), pool._inner.copy(), pool._outer.copy()
    for row, sign in [(3, 1), (7, 1), (3, -1), (7, -1)]:
        pool.follow(*state.change(pool.factors[row], pool.embeddings[row], sign), sign)
    for now, then in zip((state.inverse, pool._inner, pool._outer), before, strict=True):
        assert now == pytest.approx(then, abs=1e-9)


def test_what_follows_a_change_equals_what_is_measured_anew() -> None:
    data = made(20, 4, 3, 0, 0, clustered=False)
    pool = _fisher.Candidates(_fisher.factors(data["probabilities"]), data["embeddings"])
    state = _fisher.Metric(np.eye(8), _fisher.information(pool.factors, pool.embeddings))
    pool.measure(state)
    for row in range(5):
        pool.follow(*state.change(pool.factors[row], pool.embeddings[row], 1), 1)
    followed = pool._inner.copy(), pool._outer.copy()
    pool.measure(state)
    assert followed[0] == pytest.approx(pool._inner, rel=1e-9, abs=1e-12)
    assert followed[1] == pytest.approx(pool._outer, rel=1e-9, abs=1e-12)


def test_factors_hold_the_information_of_every_class_but_a_null_direction() -> None:
    p = np.random.default_rng(0).dirichlet(np.full(4, 0.3), size=30)
    p[0], p[1], p[2] = [0, 1, 0, 0], [0, 0, 0, 1], [0.5, 0, 0.5, 0]
    basis = _fisher._basis(4)
    assert basis.T @ basis == pytest.approx(np.eye(3), abs=1e-12)
    assert basis.sum(axis=0) == pytest.approx(0, abs=1e-12)
    found = _fisher.factors(p.astype(np.float32))
    for b, row in zip(found, p, strict=True):
        covariance = np.diag(row) - np.outer(row, row)
        assert basis @ b.T @ b @ basis.T == pytest.approx(covariance, abs=1e-6)


def test_pruning_does_not_change_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made(300, 4, 4, 10, 1, clustered=True)
    whole = picked(data, 12)
    monkeypatch.setattr(_fisher, "_TOGETHER", 7)
    monkeypatch.setattr(_fisher, "_VALUES", 100)
    monkeypatch.setattr(_fisher, "_ROWS", 9)
    parts = picked(data, 12)
    assert parts.rows.tolist() == whole.rows.tolist()
    assert parts.scores == pytest.approx(whole.scores, rel=1e-9)


def test_certain_images_fill_up_by_margin(caplog: pytest.LogCaptureFixture) -> None:
    data = made(10, 3, 3, 0, 0, clustered=False)
    data["probabilities"][:] = np.eye(3)[np.arange(10) % 3]
    data["probabilities"][[4, 6]] = 0.2, 0.3, 0.5
    batch = picked(data, 5)
    assert set(batch.rows[:2]) == {4, 6}
    assert batch.rows[2:].tolist() == [0, 1, 2]
    assert batch.reasons == ["diverse"] * 2 + ["fill"] * 3
    assert batch.quality["filled"] == 3
    assert "information in 2 images only" in caplog.text


def test_duplicates_come_in_the_order_of_their_rows() -> None:
    data = made(1, 3, 3, 0, 0, clustered=False)
    data = {name: np.repeat(values, 9, axis=0) for name, values in data.items()}
    assert picked(data, 4).rows.tolist() == [0, 1, 2, 3]


def test_width_projects_and_says_so() -> None:
    data = made(40, 6, 3, 5, 2, clustered=True)
    flat = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    for name in ("embeddings", "labelled_embeddings"):
        data[name] = data[name][:, :2] @ flat  # lies in a plane: two directions lose nothing
    whole, narrow = picked(data, 6), picked(data, 6, width=2)
    assert whole.approximations == []
    assert narrow.rows.tolist() == whole.rows.tolist()
    assert narrow.approximations == ["embeddings projected on 2 of 6 directions, 100.0% of their squares"]
    assert "embeddings projected on 1 of 6" in picked(data, 6, width=1).approximations[0]


@pytest.mark.parametrize(
    ("size", "message", "hint"),
    [
        (Size(1_000, 10, 0, 100, 512), "up to 8,192; asked for 100 · 512 = 51,200", "width=81"),
        (Size(10_000_000, 1_000, 0, 10, 512), "would take", "--candidates 5000"),
    ],
)
def test_too_large_is_refused_with_the_cost(size: Size, message: str, hint: str) -> None:
    limit = find("bait").limit
    assert limit is not None
    with pytest.raises(UsageError, match=message) as caught:
        limit(size, {"width": 0})
    assert hint in (caught.value.hint or "")
    limit(size._replace(rows=5_000, k=100), {"width": 64})
    limit(Size(50_000, 100, 1_000, 10, 512), {"width": 0})


def test_refuses_through_rank() -> None:
    with pytest.raises(UsageError, match="8,192"):
        alcli.rank(
            "bait", k=1, probabilities=np.full((2, 100), 0.01), embeddings=np.ones((2, 100)), labels=[-1, -1]
        )
