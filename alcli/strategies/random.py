"""Random: every image is as likely as any other."""

from __future__ import annotations

from alcli.strategies._strategy import Floats, pointwise


@pointwise(
    paper="Cochran, 1977, Sampling Techniques, 3rd edition, section 2.1 (simple random sampling)",
    candidates="random",
)
def random(uniform: Floats) -> Floats:
    """Query at random: the baseline that every other strategy has to beat.

    Args:
        uniform: (n,) in (0, 1), drawn from the seed and the image's identity alone. So an image keeps its
            number when others come or go, and the order in which the files were found does not matter.

    Returns:
        (n,) the number itself.
    """
    return uniform
