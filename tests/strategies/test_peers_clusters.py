"""The same picks as scikit-activeml's TypiClust, given its clusters (`pip install scikit-activeml`).

Its typicality divides by K + 1 neighbours, itself among them, of all members of the cluster, labelled or not: so
the most typical image is the same where no member is labelled or picked, and clusters are visited once. Its
DropQuery takes the k highest rates instead of all candidates, so there is nothing to compare.
"""

from __future__ import annotations

import numpy as np
import pytest
from alcli import clustering, distances
from alcli.strategies.typiclust import typiclust

pool = pytest.importorskip("skactiveml.pool")


class Given:
    """A cluster algorithm that knows the answer."""

    def __init__(self, n_clusters: int, labels: object = None) -> None:
        self.labels = labels

    def fit_predict(self, points: object) -> object:
        return self.labels


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_typiclust(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(400, 8)) + 3 * rng.normal(size=(12, 8))[rng.integers(12, size=400)]
    points = distances.unit(points.astype(np.float32))
    labelled = 4
    k = 5
    labels = clustering.kmeans(points, labelled + k, seed=seed, purpose="typiclust").labels
    y = np.full(400, np.nan)
    y[-labelled:] = [0, 1, 0, 1]
    free = labels[:-labelled]
    uncovered = set(free.tolist()) - set(labels[-labelled:].tolist())
    sizes = [int((free == cluster).sum()) for cluster in uncovered]
    neighbours = 4
    assert len(uncovered) >= k
    assert len(set(sizes)) == len(sizes)  # no tie in the order of clusters
    assert min(sizes) >= 2 * neighbours
    peer = pool.TypiClust(
        random_state=0, k=neighbours, cluster_algo=Given, cluster_algo_dict={"labels": labels}
    )
    ours = typiclust(
        points[:-labelled], labelled_embeddings=points[-labelled:], seed=seed, k=k, neighbours=neighbours
    )
    assert ours.rows.tolist() == peer.query(points, y, batch_size=k).tolist()
