"""CEAL_FUSION: the union of three uncertainties, and a draw from it."""

from __future__ import annotations

import math

import alcli
import numpy as np
import pytest
from alcli import uncertainty
from alcli.strategies._batch import Batch
from alcli.strategies.ceal_fusion import ceal_fusion
from numpy.typing import NDArray

# algorithms.md A.0
P = np.array([[0.70, 0.20, 0.10], [0.40, 0.35, 0.25], [0.34, 0.33, 0.33], [0.98, 0.01, 0.01]])


def fused(p: NDArray[np.float64], k: int, seed: int = 0, keys: NDArray[np.uint64] | None = None) -> Batch:
    keys = np.arange(len(p), dtype=np.uint64) if keys is None else keys
    three = uncertainty.confidence(p), uncertainty.margin(p), uncertainty.entropy(p)
    return ceal_fusion(*three, keys, seed=seed, k=k)


def naive_union(p: NDArray[np.float64], k: int) -> set[int]:
    half = math.ceil(k / 2)
    orders = [
        sorted(range(len(p)), key=lambda i: (round(max(p[i]), 10), i)),
        sorted(range(len(p)), key=lambda i: (round(max(p[i]) - sorted(p[i])[-2], 10), i)),
        sorted(range(len(p)), key=lambda i: (round(sum(x * math.log(x) for x in p[i] if x), 10), i)),
    ]
    return {i for order in orders for i in order[:half]}


def test_golden_values(caplog: pytest.LogCaptureFixture) -> None:
    """algorithms.md A.6: the three orders agree on row 2; row 1 is added by least confidence."""
    batch = fused(P, 2)
    assert batch.rows.tolist() == [2, 1]
    assert batch.scores == pytest.approx([0.66, 0.60])
    assert batch.reasons == ["rank", "fill"]
    assert batch.quality == {"united": 1, "filled": 1}
    assert "agree on 1 images: 1 more" in caplog.text
    assert alcli.rank("ceal-fusion", k=2, probabilities=P).rows.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("n", "c", "k"), [(50, 3, 10), (50, 10, 9), (200, 5, 1), (20, 4, 20), (30, 2, 8), (9, 3, 7)]
)
def test_draws_from_the_union_and_completes_it(n: int, c: int, k: int) -> None:
    p = np.random.default_rng(n + k).dirichlet(np.full(c, 0.6), size=n)
    for seed in range(5):
        batch = fused(p, k, seed)
        union = naive_union(p, k)
        drawn = batch.rows[: k - batch.quality["filled"]].tolist()
        assert batch.quality["united"] == len(union)
        assert set(drawn) <= union
        assert len(drawn) == min(k, len(union))
        others = sorted((i for i in range(n) if i not in drawn), key=lambda i: (max(p[i]), i))
        assert batch.rows[len(drawn) :].tolist() == others[: k - len(drawn)]
        assert drawn == sorted(drawn, key=lambda i: (max(p[i]), i))


def test_two_classes_have_one_order() -> None:
    p = np.random.default_rng(0).random(30)
    p = np.stack([p, 1 - p], axis=1)
    batch = fused(p, 8)
    assert batch.quality == {"united": 4, "filled": 4}
    assert batch.rows.tolist() == np.argsort(p.max(axis=1)).tolist()[:8]


def test_every_member_of_the_union_is_equally_likely() -> None:
    p = np.random.default_rng(3).dirichlet(np.full(6, 0.6), size=40)
    union = sorted(naive_union(p, 10))
    draws = 2_000
    counts = np.bincount(np.concatenate([fused(p, 10, seed).rows for seed in range(draws)]), minlength=40)[
        union
    ]
    assert counts.sum() == 10 * draws
    expected = 10 * draws / len(union)
    variance = expected * (1 - 10 / len(union))
    chi_square = ((counts - expected) ** 2 / variance).sum() * (len(union) - 1) / len(union)
    assert chi_square < 40  # 11 rows or so: beyond the 0.9999 quantile of up to 12 degrees of freedom
    assert len(union) <= 13


def test_the_draw_goes_by_identity() -> None:
    p = np.random.default_rng(3).dirichlet(np.full(6, 0.6), size=40)
    keys = np.random.default_rng(4).permutation(40).astype(np.uint64)
    straight = keys[fused(p, 10, keys=keys).rows]
    order = np.random.default_rng(5).permutation(40)
    assert keys[order][fused(p[order], 10, keys=keys[order]).rows].tolist() == straight.tolist()
