"""Least confidence."""

from __future__ import annotations

from alcli.strategies._strategy import Floats, pointwise


@pointwise(paper="Lewis & Gale, 1994, arXiv:cmp-lg/9407020; Settles, 2009, TR 1648, §3.1, x*_LC")
def least_confidence(confidence: Floats) -> Floats:
    """Query where the likeliest class is least likely.

    Args:
        confidence: (n,) p1, the largest probability.

    Returns:
        (n,) scores in [0, 1 - 1/c]: 1 - p1.
    """
    return 1 - confidence
