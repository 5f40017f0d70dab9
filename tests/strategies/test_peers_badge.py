"""The same numbers as scikit-activeml and batchbald_redux, where they are installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alcli.strategies._kmeans_plus_plus import KMeansPlusPlus
from alcli.strategies.badge import badge
from alcli.strategies.batchbald import batchbald
from numpy.typing import NDArray

from tests.strategies.test_badge import made, residuals
from tests.strategies.test_batchbald import passes


@pytest.mark.parametrize("seed", range(5))
def test_badge_starts_where_scikit_activeml_does(seed: int) -> None:
    """Later picks differ: there the origin is a centre for ever (scikit-activeml#588)."""
    pool = pytest.importorskip("skactiveml.pool")
    base = pytest.importorskip("skactiveml.base")
    p, h = made(150, 6, 4, seed=seed)

    class Given(base.SkactivemlClassifier):
        """A model that has been applied already."""

        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Given:
            return self

        def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
            return p.astype(np.float64)

    peer = pool.Badge(random_state=0)
    unlabelled = np.full(150, np.nan)
    rows, weights = peer.query(
        h.astype(np.float64), unlabelled, Given(classes=range(4)), fit_clf=False, return_utilities=True
    )
    batch = badge(p, h, np.arange(150, dtype=np.uint64), k=1, seed=0, device="cpu")
    assert batch.rows.tolist() == list(rows)
    norms = KMeansPlusPlus(residuals(p), h, bias=False).norms
    assert norms / norms.sum() == pytest.approx(weights[0], rel=1e-5)


@pytest.mark.parametrize(("m", "c", "k"), [(8, 2, 8), (12, 4, 4), (20, 10, 3)])
def test_batchbald_picks_what_scikit_activeml_picks(m: int, c: int, k: int) -> None:
    """Exact on both sides: all combinations of labels are looked at."""
    pool = pytest.importorskip("skactiveml.pool")
    p = passes(60, m, c)
    information = pool.batch_bald(
        probas=p.astype(np.float64).transpose(1, 0, 2).copy(), batch_size=k, n_MC_samples=c**k, random_state=0
    )
    batch = batchbald(p, k=k, seed=0, samples=c**k)
    assert batch.rows.tolist() == np.nanargmax(information, axis=1).tolist()
    assert np.cumsum(batch.scores) == pytest.approx(np.nanmax(information, axis=1), abs=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_batchbald_picks_what_its_authors_code_picks() -> None:
    """Exact on both sides: all combinations of labels are looked at."""
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("batchbald_redux.batchbald")
    p = passes(40, 10, 3)
    logarithms = torch.log(torch.from_numpy(p).double())
    peer = reference.get_batchbald_batch(logarithms, 5, 3**5, dtype=torch.double)
    batch = batchbald(p, k=5, seed=0, samples=3**5)
    assert batch.rows.tolist() == peer.indices
    assert np.cumsum(batch.scores) == pytest.approx(peer.scores, abs=1e-5)
