"""GLISTER-ACTIVE, and the explicit gradients that it avoids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alcli.errors import InputRejected
from alcli.strategies import glister as module
from alcli.strategies._batch import Batch
from alcli.strategies.glister import _gains, glister
from numpy.typing import NDArray

Floats = NDArray[np.float64]
KNOWN = np.array([0, 1, 2, 0, -1, 7], np.int32)  # the last two count for nothing: no label, no such class


def made(n: int, d: int, c: int, seed: int, known: int = 6, *, clustered: bool = False) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(n + known, d))
    if clustered:
        h = 0.2 * h + rng.normal(size=(4, d))[rng.integers(4, size=n + known)]
    p = rng.dirichlet(np.full(c, 0.5), size=n + known)
    h, p = h.astype(np.float32), p.astype(np.float32)
    return {
        "probabilities": p[:n], "embeddings": h[:n], "labelled_probabilities": p[n:], "labelled_embeddings": h[n:],
        "labels": KNOWN[:known],
    }  # fmt: skip


def picked(data: dict[str, Any], k: int, **options: Any) -> Batch:
    about = {name: data[name] for name in ("labelled_probabilities", "labelled_embeddings", "labels")}
    return glister(data["probabilities"], data["embeddings"], **about, k=k, **options)


def gradient(p: Floats, y: int, h: Floats) -> Floats:
    """Of the cross-entropy with regard to the weights, flat; (c·d,)."""
    return np.outer(p - np.eye(len(p))[y], h).ravel()


def naive(
    data: dict[str, Any], k: int, eta: float, every: int, validation: str
) -> tuple[list[int], list[float]]:
    """Plain loops: weights that move, and explicit gradients of c·d numbers."""
    p, h = data["probabilities"].astype(np.float64), data["embeddings"].astype(np.float64)
    c, d = p.shape[1], h.shape[1]
    mine = [gradient(p[i], int(p[i].argmax()), h[i]) for i in range(len(p))]
    valid = [
        (q.astype(np.float64), x.astype(np.float64), int(y))
        for q, x, y in zip(
            data["labelled_probabilities"], data["labelled_embeddings"], data["labels"], strict=True
        )
        if 0 <= y < c
    ]
    if validation == "all":
        valid += [(p[i], h[i], int(p[i].argmax())) for i in range(len(p))]
    moved = np.zeros(c * d)
    rows: list[int] = []
    gains: list[float] = []
    while len(rows) < k:
        total = np.zeros(c * d)
        for q, x, y in valid:
            logits = np.log(q) + moved.reshape(c, d) @ x
            now = np.exp(logits) / np.exp(logits).sum()
            total += gradient(now, y, x) / len(valid)
        values = {i: float(mine[i] @ total) for i in range(len(p)) if i not in rows}
        best = sorted(values, key=lambda i: (-round(values[i], 12), i))[: min(every, k - len(rows))]
        rows += best
        gains += [values[i] for i in best]
        moved -= eta * np.sum([mine[i] for i in best], axis=0)
    return rows, gains


@pytest.mark.parametrize("validation", ["all", "labelled"])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "c", "k", "every"), [(40, 3, 3, 12, 1), (30, 5, 4, 30, 7), (25, 2, 8, 9, 2)]
)
def test_same_picks_as_with_explicit_gradients(
    n: int, d: int, c: int, k: int, every: int, clustered: bool, validation: str
) -> None:
    for seed in range(2):
        data = made(n, d, c, seed, clustered=clustered)
        batch = picked(data, k, eta=0.3, refresh=every, validation=validation)
        rows, gains = naive(data, k, 0.3, every, validation)
        assert batch.rows.tolist() == rows
        assert batch.scores == pytest.approx(gains, rel=1e-6, abs=1e-9)


def test_golden_sign() -> None:
    """algorithms.md B.11: g_V = (1, -1), g_i = (.5, 0), (.5, -.5), (-1, 1); here a is g_i and h is 1."""
    errors = np.array([[0.5, 0], [0.5, -0.5], [-1, 1]])
    assert _gains(errors, np.ones((3, 1), np.float32), np.array([[1.0], [-1.0]])) == pytest.approx(
        [0.5, 1, -2]
    )


def test_a_step_along_the_picked_gradient_lowers_the_loss_by_the_gain() -> None:
    """First principles: L(W - η g_i) ≈ L(W) - η · gain."""
    data = made(30, 4, 3, 0)
    batch = picked(data, 1)
    row, p, h = batch.rows[0], data["probabilities"].astype(np.float64), data["embeddings"].astype(np.float64)
    q = np.concatenate([data["labelled_probabilities"][:4], p]).astype(np.float64)
    x = np.concatenate([data["labelled_embeddings"][:4], h])
    y = np.concatenate([KNOWN[:4], p.argmax(axis=1)])

    def loss(weights: Floats) -> float:
        logits = np.log(q) + x @ weights.T
        return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]))

    step = 1e-5 * gradient(p[row], int(p[row].argmax()), h[row]).reshape(3, 4)
    assert (loss(np.zeros((3, 4))) - loss(-step)) / 1e-5 == pytest.approx(batch.scores[0], rel=1e-3)
    assert batch.scores[0] > 0


def test_refreshes_twenty_times_unless_told() -> None:
    data = made(60, 3, 3, 0)
    assert picked(data, 50).rows.tolist() == picked(data, 50, refresh=3).rows.tolist()
    assert picked(data, 50).approximations == ["gradient of the validation loss computed anew every 3 picks"]
    assert picked(data, 50, refresh=1).approximations == []
    assert picked(data, 20).approximations == []


def test_works_without_labels() -> None:
    data = made(20, 3, 3, 0, known=0)
    assert picked(data, 6).rows.tolist() == naive(data, 6, 0.01, 1, "all")[0]
    with pytest.raises(InputRejected, match="no labelled images"):
        picked(data, 6, validation="labelled")


def test_one_class_goes_by_margin(caplog: pytest.LogCaptureFixture) -> None:
    data = made(9, 3, 1, 0, known=0)
    batch = picked(data, 4)
    assert batch.rows.tolist() == [0, 1, 2, 3]
    assert batch.reasons == ["fill"] * 4
    assert batch.quality == {"filled": 4}
    assert "no image has a gradient" in caplog.text


def test_duplicates_come_in_the_order_of_their_rows() -> None:
    data = made(1, 3, 3, 0, known=0)
    data |= {name: np.repeat(data[name], 50, axis=0) for name in ("probabilities", "embeddings")}
    assert picked(data, 5, refresh=5).rows.tolist() == [0, 1, 2, 3, 4]


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made(50, 4, 5, 3)
    whole = picked(data, 20)
    monkeypatch.setattr(module, "_ROWS", 7)
    parts = picked(data, 20)
    assert parts.rows.tolist() == whole.rows.tolist()
    assert parts.scores == pytest.approx(whole.scores, rel=1e-9)
