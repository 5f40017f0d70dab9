"""BASE: class by class, the images nearest to its boundary."""

from __future__ import annotations

import math

import alcli
import numpy as np
import pytest
from alcli.errors import InputRejected
from alcli.strategies import base as module
from alcli.strategies._batch import Batch
from alcli.strategies.base import base
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# algorithms.md B.17
W = np.array([[1.0, 0], [0, 1], [-1, 0]])
H = np.array([[2, 1], [0.2, 0.1], [-1, 0.9]], np.float32)


def picked(h: NDArray[np.float32], w: Floats, b: Floats, k: int, seed: int = 0) -> Batch:
    return base(h, head_weights=w, head_bias=b, seed=seed, k=k)


def distance(h: Floats, w: Floats, b: Floats, c: int) -> float:
    """To the boundary of class c, with explicit differences of weights."""
    logits = [float(np.dot(w[j], h) + b[j]) for j in range(len(w))]
    own = int(np.argmax(logits))

    def between(j: int) -> float:
        length = float(np.linalg.norm(w[own] - w[j]))
        return abs(logits[own] - logits[j]) / length if length else math.inf

    if c != own:
        return between(c)
    return min((between(j) for j in range(len(w)) if j != own), default=math.inf)


def naive(h: NDArray[np.float32], w: Floats, b: Floats, k: int, seed: int) -> list[int]:
    classes = [(seed + i) % len(w) for i in range(len(w))]
    picks: list[list[int]] = []
    taken: set[int] = set()
    for place, c in enumerate(classes):
        free = [i for i in range(len(h)) if i not in taken]
        free.sort(key=lambda i: (round(distance(h[i].astype(np.float64), w, b, c), 10), i))
        picks.append(free[: k // len(w) + (place < k % len(w))])
        taken.update(picks[-1])
    return [mine[turn] for turn in range(k) for mine in picks if turn < len(mine)]


def test_golden_values() -> None:
    batch = picked(H, W, np.zeros(3), 3)
    assert batch.rows.tolist() == [1, 2, 0]
    assert 1 / batch.scores - 1 == pytest.approx([0.070711, 0.070711, 2], abs=1e-6)
    assert batch.clusters is not None
    assert batch.clusters.tolist() == [0, 1, 2]
    found = alcli.rank("base", k=3, embeddings=H, head_weights=W, head_bias=np.zeros(3))
    assert found.rows.tolist() == [1, 2, 0]


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "c", "k"), [(40, 3, 4, 10), (30, 5, 7, 3), (25, 2, 2, 25), (50, 8, 10, 23), (6, 3, 9, 5)]
)
def test_same_picks_as_the_plain_loops(n: int, d: int, c: int, k: int, clustered: bool) -> None:
    rng = np.random.default_rng(n + k)
    h = rng.normal(size=(n, d)) * (0.1 if clustered else 1)
    if clustered:
        h += rng.normal(size=(3, d))[rng.integers(3, size=n)]
    h = h.astype(np.float32)
    w, b = rng.normal(size=(c, d)), rng.normal(size=c)
    for seed in (0, 1, c + 1):
        batch = picked(h, w, b, k, seed)
        assert batch.rows.tolist() == naive(h, w, b, k, seed)


def test_few_classes_at_a_time_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    h, w, b = rng.normal(size=(60, 4)).astype(np.float32), rng.normal(size=(9, 4)), rng.normal(size=9)
    whole = picked(h, w, b, 22).rows.tolist()
    monkeypatch.setattr(module, "_VALUES", 1)
    assert picked(h, w, b, 22).rows.tolist() == whole


def test_every_class_gets_its_share() -> None:
    rng = np.random.default_rng(0)
    h, w = rng.normal(size=(60, 4)).astype(np.float32), rng.normal(size=(5, 4))
    batch = picked(h, w, np.zeros(5), 22, seed=3)
    assert batch.clusters is not None
    assert np.bincount(batch.clusters).tolist() == [4, 4, 4, 5, 5]  # the first are 3 and 4
    assert batch.clusters[:6].tolist() == [3, 4, 0, 1, 2, 3]


def test_fewer_images_than_classes_begin_where_the_seed_says() -> None:
    rng = np.random.default_rng(0)
    h, w = rng.normal(size=(60, 4)).astype(np.float32), rng.normal(size=(5, 4))
    clusters = picked(h, w, np.zeros(5), 2, seed=4).clusters
    assert clusters is not None
    assert clusters.tolist() == [4, 0]


def test_one_class_has_no_boundary(caplog: pytest.LogCaptureFixture) -> None:
    batch = picked(H, W[:1], np.zeros(1), 2)
    assert batch.rows.tolist() == [0, 1]
    assert batch.scores.tolist() == [0, 0]
    assert "no boundary" in caplog.text


def test_classes_with_equal_weights_have_no_boundary_between_them() -> None:
    """Class 1 repeats class 0: the distance is infinite, not 0/0, and others still count."""
    w = W[[0, 0, 2]]
    batch = picked(H, w, np.array([0, -1.0, 0]), 3)
    assert np.isfinite(batch.scores).all()
    assert batch.rows.tolist() == naive(H, w, np.array([0, -1.0, 0]), 3, 0)


def test_a_last_layer_of_another_width_is_refused() -> None:
    with pytest.raises(InputRejected, match="takes 2 numbers; embeddings have 4"):
        picked(np.ones((3, 4), np.float32), W, np.zeros(3), 1)
