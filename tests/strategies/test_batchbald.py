"""Mutual information of the labels of a batch: golden values, all combinations of labels, sampled ones."""

from __future__ import annotations

import itertools

import alcli
import numpy as np
import pytest
from alcli.errors import UsageError
from alcli.ranking import plan
from alcli.strategies import _outcomes
from alcli.strategies._batch import Batch, Size
from alcli.strategies.batchbald import batchbald
from numpy.typing import NDArray

LN2 = float(np.log(2))
# algorithms.md B.2: two images that say the same, and one of pure noise
NOISE = np.array([[[1, 0], [0, 1]], [[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5]]], np.float32)


def _golden() -> NDArray[np.float32]:
    """algorithms.md B.2: four passes; images 0 and 1 are equal, image 2 tells other passes apart."""
    p = np.array([[0.9, 0.9, 0.1, 0.1], [0.9, 0.9, 0.1, 0.1], [0.8, 0.2, 0.8, 0.2]])
    return np.stack([p, 1 - p], axis=2).astype(np.float32)


def passes(
    n: int, m: int, c: int, *, seed: int = 0, copies: int = 1, sharp: float = 1
) -> NDArray[np.float32]:
    """Passes that disagree, in ways that images share: (n · copies, m, c)."""
    rng = np.random.default_rng([seed, n, m, c])
    shared = np.einsum("nf,mfc->nmc", rng.normal(size=(n, 4)), rng.normal(size=(m, 4, c)))
    logits = rng.normal(size=(n, 1, c)) + sharp * shared / 2
    p = np.exp(logits - logits.max(axis=2, keepdims=True))
    p /= p.sum(axis=2, keepdims=True)
    return np.tile(p.astype(np.float32), (copies, 1, 1))


def wide(p: NDArray[np.float32]) -> NDArray[np.float64]:
    """In float64, normalised: float32 sums to 1 within 1e-7 only."""
    found = p.astype(np.float64)
    return found / found.sum(axis=2, keepdims=True)


def joint_information(p: NDArray[np.float32], batch: list[int]) -> float:
    """I(y_batch; ω) = H(y_batch) - Σ E H(y_i | ω), by a plain sum over all combinations of labels."""
    passes = wide(p)
    m, c = p.shape[1:]
    together = 0.0
    for labels in itertools.product(range(c), repeat=len(batch)):
        each = [np.prod([passes[i, w, y] for i, y in zip(batch, labels, strict=True)]) for w in range(m)]
        probability = sum(each) / m
        together -= probability * np.log(probability) if probability > 0 else 0
    logs = np.log(passes[batch], where=passes[batch] > 0, out=np.zeros_like(passes[batch]))
    return float(together + (passes[batch] * logs).sum() / m)


def greedy(p: NDArray[np.float32], k: int) -> tuple[list[int], list[float]]:
    """The plain loop: every image with every combination, at every step; ties within 1e-10 to the smaller row."""
    rows: list[int] = []
    values = [0.0]
    for _ in range(k):
        found = {i: joint_information(p, [*rows, i]) for i in range(len(p)) if i not in rows}
        best = max(found.values())
        rows.append(min(i for i, value in found.items() if value >= best - 1e-10))
        values.append(found[rows[-1]])
    return rows, np.diff(values).tolist()


def test_golden_values_of_two_images_that_say_the_same() -> None:
    assert [joint_information(NOISE, [i]) for i in range(3)] == pytest.approx([LN2, LN2, 0])
    batch = batchbald(NOISE, k=3, seed=0)
    assert batch.rows[0] == 0
    assert batch.scores == pytest.approx([LN2, 0, 0], abs=1e-9)
    assert batch.quality == {"mutual_information": pytest.approx(0.693147, abs=1e-6), "filled": 2}
    assert alcli.rank("bald", k=2, mc_probabilities=NOISE).rows.tolist() == [0, 1]


def test_golden_values_of_images_that_differ() -> None:
    p = _golden()
    assert [joint_information(p, [i]) for i in range(3)] == pytest.approx(
        [0.368064, 0.368064, 0.192745], abs=1e-6
    )
    assert joint_information(p, [0, 1]) == pytest.approx(0.514375, abs=1e-6)
    batch = batchbald(p, k=3, seed=0)
    assert batch.rows.tolist() == [0, 2, 1]
    assert np.cumsum(batch.scores)[:2] == pytest.approx([0.368064, 0.560809], abs=1e-6)
    assert alcli.rank("bald", k=2, mc_probabilities=p).rows.tolist() == [0, 1]


@pytest.mark.parametrize(("n", "m", "c", "k"), [(20, 5, 3, 4), (30, 2, 2, 5), (9, 12, 4, 3), (6, 3, 2, 6)])
@pytest.mark.parametrize("seed", range(2))
def test_naive_twin(n: int, m: int, c: int, k: int, seed: int) -> None:
    p = passes(n, m, c, seed=seed)
    rows, gains = greedy(p, k)
    batch = batchbald(p, k=k, seed=0)
    assert batch.rows.tolist() == rows
    assert batch.scores == pytest.approx(gains, abs=1e-12)
    assert not batch.approximations


def test_naive_twin_with_copies_and_probabilities_of_exactly_0_and_1() -> None:
    p = passes(10, 4, 3, copies=2)
    p[::3] = np.eye(3, dtype=np.float32)[np.arange(4) % 3]
    p[1::3, :, 0] += p[1::3, :, 2]
    p[1::3, :, 2] = 0
    rows, gains = greedy(p, 4)
    batch = batchbald(p, k=4, seed=0)
    assert batch.rows.tolist() == rows
    assert batch.scores == pytest.approx(gains, abs=1e-12)


@pytest.mark.parametrize("samples", [100, 10_000])
def test_bounds_spare_measurements_and_change_no_pick(samples: int) -> None:
    """Every image measured at every step, on the same combinations of labels."""
    p = passes(150, 10, 4)
    exact = wide(p)
    spread = -(exact * np.log(exact)).sum(axis=2)
    batch = batchbald(p, k=9, seed=5, samples=samples)
    outcomes = _outcomes.unknown(10)
    for step, row in enumerate(batch.rows):
        gains = outcomes.information(exact, spread)
        gains[batch.rows[:step]] = -1
        assert row == gains.argmax()
        assert batch.scores[step] == pytest.approx(gains[row], abs=1e-12)
        chosen = batch.rows[: step + 1]
        if 4 ** len(chosen) <= samples:
            outcomes = outcomes.followed_by(exact[row])
        else:
            rng = np.random.default_rng(alcli.randomness.derive_seed(5, "batchbald", len(chosen)))
            outcomes = _outcomes.sampled(exact[chosen], samples, rng)


def test_sampled_combinations_estimate_the_exact_information() -> None:
    p = passes(40, 10, 3)
    exact = batchbald(p, k=8, seed=0, samples=3**7)
    assert not exact.approximations
    estimates = [batchbald(p, k=8, seed=seed, samples=1000) for seed in range(5)]
    assert [e.approximations for e in estimates] == [
        ["joint entropies from pick 8 on estimated from 1,000 samples of labels"]
    ] * 5
    coarse = [batchbald(p, k=8, seed=seed, samples=200) for seed in range(20)]
    assert np.mean([c.scores for c in coarse], axis=0) == pytest.approx(exact.scores, abs=0.01)
    for estimate in estimates:
        assert joint_information(p, estimate.rows[:6].tolist()) == pytest.approx(exact.scores[:6].sum())


def test_outcomes_are_drawn_as_often_as_they_happen() -> None:
    """The mean belief over samples is the belief before: none is favoured; impossible labels are not drawn."""
    p = passes(3, 5, 4)
    p[:, :, 3] = 0
    p = wide(p)
    drawn = _outcomes.sampled(p, 50_000, np.random.default_rng(0))
    assert drawn.shares.sum() == pytest.approx(1)
    assert drawn.shares @ drawn.beliefs == pytest.approx([0.2] * 5, abs=0.005)
    assert len(np.unique(np.round(drawn.beliefs, 12), axis=0)) == 27


def test_merged_outcomes_bound_the_information_from_above() -> None:
    p = wide(passes(50, 8, 3))
    spread = -(p * np.log(p)).sum(axis=2)
    outcomes = _outcomes.unknown(8)
    for row in range(5):
        outcomes = outcomes.followed_by(p[row])
    exact = outcomes.information(p, spread)
    bounds = [groups.information(p, spread) for groups in outcomes.merged()]
    for looser, tighter in itertools.pairwise([*bounds, exact]):
        assert (looser >= tighter - 1e-12).all()


def test_many_pictures_do_not_underflow() -> None:
    """Fifty answers of probability 1e-30 or so have a product that float64 does not hold."""
    p = np.full((50, 3, 4), 1e-9, np.float64)
    p[np.arange(50), :, np.arange(50) % 3] = 1 - 3e-9
    drawn = _outcomes.sampled(p, 300, np.random.default_rng(0))
    assert np.isfinite(drawn.beliefs).all()
    batch = batchbald(passes(50, 6, 3, sharp=20), k=50, seed=0, samples=100)
    assert np.isfinite(batch.scores).all()


def test_more_than_ln_m_cannot_be_learnt(caplog: pytest.LogCaptureFixture) -> None:
    p = passes(30, 2, 3, sharp=30)
    batch: Batch = batchbald(p, k=20, seed=0)
    assert batch.quality["mutual_information"] <= LN2 + 1e-9
    same = np.repeat(p[:, :1], 2, axis=1)
    nothing = batchbald(same, k=3, seed=0)
    ordered = np.sort(same[:, 0], axis=1)
    by_margin = np.argsort(ordered[:, -1] - ordered[:, -2], kind="stable")
    assert nothing.rows.tolist() == by_margin[:3].tolist()
    assert list(nothing.reasons) == ["fill"] * 3
    assert "nothing is left to learn after 0 images; 3 fill up" in caplog.text


def test_a_large_batch_is_refused_with_an_alternative() -> None:
    with pytest.raises(UsageError, match="up to k = 50; asked for 100") as refusal:
        plan("batchbald", ["mc_probabilities"]).check(Size(1000, 100, 0, 10, 0))
    assert refusal.value.hint == "--strategy bald --stochastic power"
    plan("batchbald", ["mc_probabilities"]).check(Size(1000, 50, 0, 10, 0))


@pytest.mark.parametrize("samples", [99, "many", 2_000_000])
def test_samples_out_of_range_are_refused(samples: object) -> None:
    with pytest.raises(UsageError, match="samples is"):
        alcli.rank("batchbald", k=1, mc_probabilities=NOISE, samples=samples)
