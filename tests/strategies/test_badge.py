"""k-means++ over gradient embeddings: golden values, the plain loop, explicit gradients, the distribution of draws."""

from __future__ import annotations

import logging
import tracemalloc
from typing import Any

import alcli
import numpy as np
import pytest
from alcli import randomness
from alcli.ranking import plan
from alcli.strategies._kmeans_plus_plus import BLOCK, KMeansPlusPlus, draw
from alcli.strategies.badge import badge
from numpy.typing import NDArray
from scipy import stats

# algorithms.md B.1
P = np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.05, 0.9, 0.05]], np.float32)
H = np.array([[1, 2], [2, 0], [1, -1]], np.float32)


def residuals(p: NDArray[np.float32]) -> NDArray[np.float32]:
    """a = p - onehot(argmax p)."""
    found = p.copy()
    found[np.arange(len(p)), p.argmax(axis=1)] -= 1
    return found


def explicit(p: NDArray[np.float32], h: NDArray[np.float32], *, bias: bool = False) -> NDArray[np.float64]:
    """All gradients, written out: (n, c · d), in float64."""
    inputs = np.concatenate([h, np.ones((len(h), 1), np.float32)], axis=1) if bias else h
    return np.einsum("ij,ik->ijk", residuals(p).astype(float), inputs.astype(float)).reshape(len(p), -1)


def plain(
    p: NDArray[np.float32], h: NDArray[np.float32], k: int, seed: int, *, bias: bool = False
) -> tuple[list[int], list[float], NDArray[np.float64]]:
    """The plain loop over explicit gradients: rows, D² at each draw, and D² at the end."""
    g = explicit(p, h, bias=bias)
    rng = np.random.default_rng(randomness.derive_seed(seed, "badge"))
    norms = (g**2).sum(axis=1)
    rows, scores = [int(norms.argmax())], [float(norms.max())]
    nearest = np.full(len(g), np.inf)
    while True:
        nearest = np.minimum(nearest, ((g - g[rows[-1]]) ** 2).sum(axis=1))
        if len(rows) == k:
            return rows, scores, nearest
        ends = np.cumsum(nearest)
        rows.append(int(np.searchsorted(ends, rng.random() * ends[-1], side="right")))
        scores.append(float(nearest[rows[-1]]))


def made(
    n: int, d: int, c: int, *, seed: int = 0, clusters: int = 0, sharp: float = 3, copies: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities and embeddings of a pool, in clusters or not, each image some times over."""
    rng = np.random.default_rng([seed, n, d, c])
    h = rng.normal(size=(n, d))
    if clusters:
        h = h / 10 + rng.normal(size=(clusters, d))[rng.integers(clusters, size=n)]
    logits = sharp * h @ rng.normal(size=(d, c)) / np.sqrt(d) + rng.normal(size=(n, c))
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    order = rng.permutation(n * copies) % n
    return p.astype(np.float32)[order], h.astype(np.float32)[order]


def picked(p: NDArray[np.float32], h: NDArray[np.float32], k: int, seed: int = 0, **options: Any) -> Any:
    return badge(p, h, np.arange(len(p), dtype=np.uint64), k=k, seed=seed, device="cpu", **options)


def seeded(
    p: NDArray[np.float32], h: NDArray[np.float32], rows: list[int], *, bias: bool = False
) -> KMeansPlusPlus:
    engine = KMeansPlusPlus(residuals(p), h, bias=bias)
    for row in rows:
        engine.add(row)
    return engine


def distances(engine: KMeansPlusPlus) -> NDArray[np.float64]:
    return np.concatenate([engine.block(number) for number in range(len(engine.sums()))])


def test_golden_values() -> None:
    engine = seeded(P, H, [1])
    assert engine.norms == pytest.approx([0.70, 2.18, 0.03])
    assert seeded(P, H, [], bias=True).norms == pytest.approx([0.84, 2.725, 0.045])
    assert distances(engine)[:3] == pytest.approx([1.78, 0, 2.42], abs=1e-6)
    assert distances(engine)[:3] / engine.sums().sum() == pytest.approx([0.423810, 0, 0.576190], abs=1e-6)
    batch = picked(P, H, 3)
    assert batch.rows[0] == 1
    assert batch.scores[0] == pytest.approx(2.18)
    assert [draw(engine, engine.sums(), u)[0] for u in (0, 0.40, 0.4238, 0.43, 1 - 2**-53)] == [0, 0, 0, 2, 2]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "c", "clusters", "k"),
    [
        (60, 4, 3, 0, 60),
        (700, 16, 10, 0, 150),
        (900, 8, 2, 12, 200),
        (1200, 64, 5, 30, 150),
        (300, 3, 40, 6, 80),
    ],
)
def test_same_draws_as_the_plain_loop(n: int, d: int, c: int, clusters: int, k: int, bias: bool) -> None:
    for seed in range(3):
        p, h = made(n, d, c, seed=seed, clusters=clusters)
        rows, scores, left = plain(p, h, k, seed, bias=bias)
        batch = picked(p, h, k, seed, bias=bias)
        assert batch.rows.tolist() == rows
        assert batch.scores == pytest.approx(scores, rel=1e-8)
        assert batch.quality["squared_distance_left"] == pytest.approx(left.sum(), rel=1e-8, abs=1e-12)


def test_same_draws_where_embeddings_lie_on_one_side_of_the_origin() -> None:
    """As after a ReLU: gradients of different classes point apart."""
    p, h = made(1500, 32, 6, clusters=20, sharp=9)
    h = np.maximum(h, 0) + 5
    assert picked(p, h, 300).rows.tolist() == plain(p, h, 300, 0)[0]


@pytest.mark.parametrize("bias", [False, True])
def test_distances_are_those_of_explicit_gradients(bias: bool) -> None:
    """Peers that divide, or take a root of, what cancellation leaves get NaN (pitfalls.md 1.11)."""
    p, h = made(500, 12, 7, clusters=8, sharp=8)
    rows = [3, 400, 77, 250, 251]
    g = explicit(p, h, bias=bias)
    expected = ((g[:, None] - g[rows]) ** 2).sum(axis=2).min(axis=1)
    found = distances(seeded(p, h, rows, bias=bias))[:500]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-13)
    assert found[rows].tolist() == [0] * 5


def test_near_duplicates_far_from_the_origin_keep_their_distance() -> None:
    """‖g‖² + ‖g'‖² - 2⟨g, g'⟩ has no correct digit left here, even in float64."""
    p = np.tile(np.array([[0.6, 0.4]], np.float32), (3, 1))
    h = np.full((3, 4), 30_000, np.float32)
    h[1, 0] += 0.01
    h[2, 0] += 0.25
    g = explicit(p, h)
    expected = ((g - g[2]) ** 2).sum(axis=1)
    assert expected[0] > 0
    assert distances(seeded(p, h, [2]))[:3] == pytest.approx(expected, rel=1e-12)


def test_second_draw_has_the_distribution_of_the_algorithm() -> None:
    p, h = made(12, 5, 4)
    g = explicit(p, h)
    first = int((g**2).sum(axis=1).argmax())
    weights = ((g - g[first]) ** 2).sum(axis=1)
    draws = [int(picked(p, h, 2, seed).rows[1]) for seed in range(3000)]
    counts = np.bincount(draws, minlength=12)
    assert counts[first] == 0
    others = np.arange(12) != first
    expected = 3000 * weights[others] / weights.sum()
    assert stats.chisquare(counts[others], expected).pvalue > 0.001


def test_draws_by_the_inverse_of_the_cumulative_sums() -> None:
    """Over several blocks, at their ends, and never a row of weight 0 (algorithms.md 0.3)."""
    p, h = made(3 * BLOCK + 50, 6, 3, clusters=3, copies=2)
    engine = seeded(p, h, [5, 600, 9])
    weights = distances(engine)
    ends = np.cumsum(weights)
    assert (weights == 0).sum() > 5
    for u in [*np.random.default_rng(0).random(500), 0.0, 1 - 2**-53]:
        row, weight = draw(engine, engine.sums(), u)
        assert weight == weights[row] > 0
        assert row == np.searchsorted(ends, min(u * ends[-1], np.nextafter(ends[-1], 0)), side="right")


def test_first_is_the_longest_gradient_whatever_the_seed() -> None:
    """Not a random one, as where k-means++ is taken from a library (algorithms.md B.1)."""
    p, h = made(200, 8, 5)
    longest = int((explicit(p, h) ** 2).sum(axis=1).argmax())
    assert {int(picked(p, h, 1, seed).rows[0]) for seed in range(20)} == {longest}


def test_the_origin_is_no_centre() -> None:
    """scikit-activeml's is: its D² never exceeds ‖g‖² (pitfalls.md 1.18)."""
    p, h = np.array([[0.5, 0.5], [0.5, 0.5]], np.float32), np.array([[3], [-2]], np.float32)
    batch = picked(p, h, 2)
    assert batch.rows.tolist() == [0, 1]
    assert batch.scores == pytest.approx([4.5, 12.5])  # (3 + 2)² / 2, not 2² / 2


def test_gradients_have_the_sign_of_the_residual() -> None:
    """small-text has -p ⊗ h throughout, under which these would be equally far apart (pitfalls.md 1.18)."""
    p = np.array([[0.6, 0.4], [0.4, 0.6], [0.55, 0.45]], np.float32)
    found = distances(seeded(p, np.ones((3, 1), np.float32), [0]))
    assert found[:3] == pytest.approx([0, 2 * 0.8**2, 2 * 0.05**2], rel=1e-5)


def test_labelled_rows_change_nothing_but_their_absence() -> None:
    p, h = made(120, 6, 4)
    labels = np.full(120, -1)
    labels[100:] = 0
    with_labels = alcli.rank("badge", k=30, probabilities=p, embeddings=h, labels=labels, seed=2)
    without = alcli.rank("badge", k=30, probabilities=p[:100], embeddings=h[:100], seed=2)
    assert with_labels.rows.tolist() == without.rows.tolist()


def test_bias_changes_the_draws() -> None:
    p, h = made(300, 4, 5)
    assert picked(p, h, 40, bias=True).rows.tolist() != picked(p, h, 40).rows.tolist()
    assert plan("badge", {}, options={"bias": "yes"}).options == {"bias": True}


def test_copies_fill_up_at_random_and_say_so(caplog: pytest.LogCaptureFixture) -> None:
    p, h = made(20, 5, 4, copies=3)
    batch = picked(p, h, 30)
    originals = {
        (row.tobytes(), other.tobytes()) for row, other in zip(p[batch.rows], h[batch.rows], strict=True)
    }
    assert len(originals) == 20
    assert list(batch.reasons) == ["diverse"] * 20 + ["fill"] * 10
    assert batch.scores[20:].tolist() == [0] * 10
    assert batch.quality == {"squared_distance_left": 0, "filled": 10}
    assert "only 20 images have gradients of their own; 10 more are random" in caplog.text
    assert picked(p, h, 25).rows.tolist() == batch.rows[:25].tolist()
    filled = [tuple(picked(p, h, 30, seed).rows[20:].tolist()) for seed in range(4)]
    assert len(set(filled)) == 4


@pytest.mark.parametrize("p", [np.ones((9, 1), np.float32), np.eye(3, dtype=np.float32)[np.arange(9) % 3]])
def test_no_gradient_at_all_gives_random_images(
    p: NDArray[np.float32], caplog: pytest.LogCaptureFixture
) -> None:
    """One class, or every image certain: peers stop in a debugger (pitfalls.md 1.11)."""
    caplog.set_level(logging.WARNING, "alcli")
    batch = picked(p, np.ones((9, 4), np.float32), 9)
    assert sorted(batch.rows.tolist()) == list(range(9))
    assert batch.rows.tolist() != list(range(9))
    assert list(batch.reasons) == ["fill"] * 9
    assert "only 0 images" in caplog.text


def test_an_embedding_of_zeros_comes_last() -> None:
    p, h = made(30, 4, 3)
    h[[2, 7, 19]] = 0
    assert set(picked(p, h, 30).rows[27:].tolist()) == {2, 7, 19}
    assert set(picked(p, h, 30, bias=True).reasons) == {"diverse"}  # the bias has a gradient all the same


def test_a_certain_image_is_a_point_like_any_other() -> None:
    """Its gradient is 0, which is far from all the others; a second one is no farther than that."""
    p, h = made(10, 4, 3)
    p[3:6] = [1, 0, 0]
    batch = picked(p, h, 10)
    assert len({3, 4, 5} & set(batch.rows[:8].tolist())) == 1
    assert list(batch.reasons) == ["diverse"] * 8 + ["fill"] * 2


def test_memory_stays_below_the_size_of_the_inputs() -> None:
    p, h = made(20_000, 128, 10, clusters=50)
    tracemalloc.start()
    picked(p, h, 40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.8 * (p.nbytes + h.nbytes)  # explicit gradients: 9 times the inputs
