"""Smallest margin."""

from __future__ import annotations

from alcli.strategies._strategy import Floats, pointwise


@pointwise(paper="Scheffer, Decomain & Wrobel, 2001, doi:10.1007/3-540-44816-0_31; Settles, 2009, §3.1, x*_M")
def margin(margin: Floats) -> Floats:
    """Query where the two likeliest classes are closest.

    Args:
        margin: (n,) p1 - p2, the difference of the two largest probabilities.

    Returns:
        (n,) scores in [0, 1]: 1 - (p1 - p2).
    """
    return 1 - margin
