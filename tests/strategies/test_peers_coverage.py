"""The coverage strategies against apricot and scikit-activeml on the same arrays."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.strategies.facility_location import facility_location
from alcli.strategies.maxherding import maxherding
from alcli.strategies.probcover import probcover

from tests.geometry import coverings

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("labelled", [0, 8])
@pytest.mark.parametrize("name", ["cosine", "rbf"])
def test_apricot(name: str, labelled: int) -> None:
    apricot = pytest.importorskip("apricot")
    rows = coverings.points(150, 12, clustered=False)  # few picks: later, mutual neighbours tie exactly
    similarity = coverings.similarities(rows, rows, name, 1.0)
    similarity[:labelled] = 0  # labelled images need no covering: the sum is over the pool
    known = np.arange(labelled) if labelled else None
    peer = apricot.FacilityLocationSelection(12, metric="precomputed", initial_subset=known)
    peer.fit(similarity.T.copy())  # its rows are the candidates, its columns what is represented
    strategy = facility_location if name == "cosine" else maxherding
    ours = strategy(rows[labelled:], labelled_embeddings=rows[:labelled], k=12, seed=0, device="cpu")
    assert (ours.rows + labelled).tolist() == peer.ranking.tolist()
    assert ours.scores * (150 - labelled) == pytest.approx(peer.gains, abs=1e-4, rel=1e-6)


@pytest.mark.parametrize("delta", [0.4, 0.8])
def test_scikit_activeml(delta: float) -> None:
    """Its ties are drawn, so gains are compared: those of greedy are the same until a tie matters."""
    pool = pytest.importorskip("skactiveml.pool")
    rows = coverings.points(120, 10, clustered=True)
    peer = pool.ProbCover(deltas=[delta], n_classes=6, random_state=0)
    theirs = peer.query(X=rows, y=np.full(120, np.nan), batch_size=4)
    ours = probcover(rows, labelled_embeddings=rows[:0], classes=6, k=4, seed=0, device="cpu", delta=delta)
    similarity = coverings.similarities(rows, rows, "ball", delta)
    assert ours.scores[0] == similarity.sum(axis=0).max() == similarity[:, theirs[0]].sum()
    assert ours.scores.sum() == similarity[:, theirs].max(axis=1).sum()
