"""Largest margin: not for people, but to accept the model's own labels."""

from __future__ import annotations

from alcli.strategies._strategy import Floats, pointwise


@pointwise(paper="Sundriyal, Ghosh, Vatsa & Singh, 2021, doi:10.1609/aaai.v35i18.17948 (maximum margin)")
def max_margin(margin: Floats) -> Floats:
    """Take the images whose two likeliest classes are furthest apart; only for labels that the model gives.

    Args:
        margin: (n,) p1 - p2, the difference of the two largest probabilities.

    Returns:
        (n,) scores in [0, 1]: p1 - p2.
    """
    return margin
