"""The same picks as scikit-activeml's TypiClust, given its clusters (`pip install scikit-activeml`).

Its typicality divides by K + 1 neighbours, itself among them, of all members of the cluster, labelled or not: so
the most typical image is the same where no member is labelled or picked, and clusters are visited once. Its
DropQuery takes the k highest rates instead of all candidates, so there is nothing to compare.
"""

from __future__ import annotations

import numpy as np
import pytest
from alcli.geometry import clustering, distances
from alcli.strategies.typiclust import typiclust

pool = pytest.importorskip("skactiveml.pool")


class Given:
    """A cluster algorithm that knows the answer."""

    def __init__(self, n_clusters: int, labels: object = None) -> None:
        self.labels = labels

    def fit_predict(self, points: object) -> object:
        return self.labels


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4))
def test_typiclust(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(9), np.arange(20, 65, 5)))  # no two clusters of one size
    n = len(labels)
    points = distances.unit((rng.normal(size=(n, 8)) + rng.normal(size=(9, 8))[labels]).astype(np.float32))
    labelled = 4
    k = 9 - len(set(labels[-labelled:].tolist()))  # every cluster without a label is visited once
    found = clustering.Clusters(points[:9], labels, np.zeros(n, np.float32))
    monkeypatch.setattr(clustering, "kmeans", lambda *_, **__: found)
    ours = typiclust(
        points[:-labelled], labelled_embeddings=points[-labelled:], seed=0, k=k, neighbours=4, max_clusters=9
    )
    y = np.full(n, np.nan)
    y[-labelled:] = 0
    peer = pool.TypiClust(random_state=0, k=4, cluster_algo=Given, cluster_algo_dict={"labels": labels})
    assert ours.rows.tolist() == peer.query(points, y, batch_size=k).tolist()
