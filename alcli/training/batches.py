"""Which images go into which batch: positions only, drawn from a generator that the caller seeds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
CLASSES_PER_BATCH = 10  # P and Q of FaceNet-like training
IMAGES_PER_CLASS = 8


def in_order(count: int, size: int) -> list[Positions]:
    """Return all positions, in order, in batches of at most `size`."""
    return [np.arange(start, min(start + size, count)) for start in range(0, count, size)]


def shuffled(count: int, size: int, rng: np.random.Generator) -> list[Positions]:
    """Return all positions, once each, in batches of nearly equal length of at most `size`.

    A last batch of one image, on which batch normalisation fails, comes up only if `count` or `size` is 1.
    """
    return np.array_split(rng.permutation(count), -(-count // size))


def with_companions(codes: NDArray[np.int64], size: int, rng: np.random.Generator) -> list[Positions]:
    """Return batches in which every image comes with another one of its class, drawn at random.

    Classes keep their shares, and a triplet loss finds positives however many classes there are.

    Args:
        codes: (n,) class codes.
        size: Images of a batch, companions included.
        rng: Draws order and companions.
    """
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    first = np.cumsum(counts) - counts  # where each class begins in `order`
    place = np.empty(len(codes), np.int64)
    place[order] = np.arange(len(codes))
    batches = []
    for batch in shuffled(len(codes), max(1, size // 2), rng):
        own = codes[batch]
        step = rng.integers(1, np.maximum(counts[own], 2))  # never 0, which would be the image itself
        companions = order[first[own] + (place[batch] - first[own] + step) % counts[own]]
        batches.append(np.unique(np.concatenate([batch, companions])))
    return batches


def balanced_steps(codes: NDArray[np.int64]) -> int:
    """Return how many balanced batches make an epoch: as many as hold every image once, at least one."""
    return max(1, round(len(codes) / (CLASSES_PER_BATCH * IMAGES_PER_CLASS)))


def balanced(codes: NDArray[np.int64], rng: np.random.Generator) -> list[Positions]:
    """Return an epoch of batches of P classes with Q images each; fewer where there are fewer.

    Args:
        codes: (n,) class codes; classes with one image have no positive pair and stay out.
        rng: Draws classes and images.
    """
    members = [np.flatnonzero(codes == code) for code in anchor_classes(codes)]
    width = min(CLASSES_PER_BATCH, len(members))
    return [
        np.concatenate(
            [
                rng.choice(members[one], min(IMAGES_PER_CLASS, len(members[one])), replace=False)
                for one in rng.choice(len(members), width, replace=False)
            ]
        )
        for _ in range(balanced_steps(codes))
    ]


def anchor_classes(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the classes with at least two images, so that there are an anchor and a positive."""
    classes, counts = np.unique(codes, return_counts=True)
    return classes[counts >= 2]
