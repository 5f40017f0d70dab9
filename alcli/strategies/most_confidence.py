"""Most confidence: not for people, but to accept the model's own labels."""

from __future__ import annotations

from alcli.strategies._strategy import Floats, pointwise


@pointwise(paper="Sundriyal, Ghosh, Vatsa & Singh, 2021, doi:10.1609/aaai.v35i18.17948 (most certainty)")
def most_confidence(confidence: Floats) -> Floats:
    """Take the images that the model is surest of; only sensible for labels that the model gives.

    Args:
        confidence: (n,) p1, the largest probability.

    Returns:
        (n,) scores in [1/c, 1]: p1.
    """
    return confidence
