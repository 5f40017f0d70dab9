"""Cluster-contrastive learning: largest entropy of the soft assignment to clusters."""

from __future__ import annotations

from alcli.strategies._strategy import Floats, pointwise
from alcli.uncertainty import entropy


@pointwise(paper="Roda & Geva, 2024, doi:10.3389/frai.2024.1398844, equation 4")
def ccl(cluster_probabilities: Floats) -> Floats:
    """Query where an image lies between clusters; for models of `train --objective ccl`.

    Args:
        cluster_probabilities: (n, c) soft assignments Q to the clusters of the classes; rows sum to 1.

    Returns:
        (n,) scores in [0, ln c]: -Σ q ln q, in nats.
    """
    return entropy(cluster_probabilities)
