"""Largest entropy."""

from __future__ import annotations

from alcli.strategies._strategy import Floats, pointwise


@pointwise(paper="Shannon, 1948, doi:10.1002/j.1538-7305.1948.tb01338.x; Settles, 2009, TR 1648, §3.1, x*_H")
def entropy(entropy: Floats) -> Floats:
    """Query where the predicted classes are most evenly spread.

    Args:
        entropy: (n,) -Σ p ln p, in nats.

    Returns:
        (n,) scores in [0, ln c]: the entropy itself.
    """
    return entropy
