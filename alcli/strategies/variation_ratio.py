"""Variation ratio of a single, deterministic model."""

from __future__ import annotations

from alcli.strategies._strategy import Floats, pointwise


@pointwise(
    paper="Freeman, 1965, Elementary Applied Statistics; Gissin & Shalev-Shwartz, 2019, arXiv:1907.06347"
)
def variation_ratio(confidence: Floats) -> Floats:
    """Query where most probability lies outside the likeliest class; the same order as least-confidence.

    For the share of stochastic passes that disagree, see mc-variation-ratio.

    Args:
        confidence: (n,) p1, the largest probability.

    Returns:
        (n,) scores in [0, 1 - 1/c]: 1 - p1.
    """
    return 1 - confidence
