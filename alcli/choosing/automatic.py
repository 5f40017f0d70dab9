"""`--strategy auto`: the strategy that fits what there is, and why.

The stages follow what studies of several strategies at several budgets found: coverage where there are no
labels, coverage weighted by uncertainty while labels are few, gradient embeddings once they are many.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

AUTO = "auto"

_TYPICAL = 500  # typiclust makes at most so many clusters, so it serves batches up to this
_FEW = 50  # labels per class, up to which a mixture of coverage and uncertainty is advised


class Resolved(NamedTuple):
    """The strategy that `auto` stands for, and the reason in words."""

    strategy: str
    because: str


def resolve(available: Collection[str], *, labelled: int, classes: int, k: int) -> Resolved:
    """Choose a strategy.

    Args:
        available: Signals that there are, or would be once the model has scored.
        labelled: Labelled images that a strategy may learn from.
        classes: Classes among them.
        k: Images to select.
    """
    if "embeddings" not in available:
        return _without_embeddings(available, labelled)
    if not labelled:
        name = "typiclust" if k <= _TYPICAL else "maxherding"
        return Resolved(name, f"there are embeddings and no labels, and {k:,} images are asked for")
    if "probabilities" not in available:
        return Resolved("maxherding", "there are embeddings, but no probabilities")
    count = f"{labelled:,} labels of {classes} classes"
    if labelled <= _FEW * classes:
        return Resolved(
            "uherding", f"{count} are few, at most {_FEW} a class: cover the pool where it is unsure"
        )
    return Resolved("badge", f"{count} are many, more than {_FEW} a class: unsure images that differ")


def _without_embeddings(available: Collection[str], labelled: int) -> Resolved:
    if labelled and ("margin" in available or "probabilities" in available):
        return Resolved("margin", "there are probabilities, but no embeddings")
    told = "no model has said anything of the images yet; embeddings of any network, given by `alcli score --from`"
    return Resolved("random", f"{told}, would let a first batch cover the pool")
