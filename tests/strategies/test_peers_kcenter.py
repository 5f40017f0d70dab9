"""The same picks as scikit-activeml, where it is installed, and where it is right."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.strategies.kcenter import kcenter

pool = pytest.importorskip("skactiveml.pool")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("n", "d", "l", "k"), [(80, 2, 1, 40), (300, 16, 10, 100), (200, 64, 50, 60)])
def test_the_same_picks_in_the_same_order(n: int, d: int, l: int, k: int) -> None:  # noqa: E741 (l labelled)
    points = np.random.default_rng([n, d]).normal(size=(n + l, d)).astype(np.float32)
    labels = np.full(n + l, np.nan)
    labels[n:] = 0
    theirs, distances = pool.k_greedy_center(points.astype(np.float64), labels, batch_size=k, random_state=0)
    ours = kcenter(points[:n], labelled_embeddings=points[n:], k=k, device="cpu")
    assert ours.rows.tolist() == theirs.tolist()
    assert ours.scores == pytest.approx(np.nanmax(distances, axis=1), rel=1e-6)
