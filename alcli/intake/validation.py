"""The validation split: labelled images set aside to choose epochs and to calibrate by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alcli import randomness
from alcli.manifest import Manifest

LEFT_PER_CLASS = 2  # training images that a class keeps; the triplet network needs a pair
_AT_LEAST, _SHARE, _AT_MOST = 100, 50, 5  # 100 images or 1/50 of the labelled ones, but no more than 1/5


def size(labelled: int, fraction: float | None) -> int:
    """Return how many of `labelled` images to set aside.

    Args:
        labelled: Number of labelled training images.
        fraction: The share, in [0, 1); None is 2 %, at least 100 images, at most 20 %.
    """
    if fraction is None:
        return min(max(_AT_LEAST, labelled // _SHARE), labelled // _AT_MOST)
    return int(labelled * fraction + 1e-9)  # 0.29 * 100 is 28.999…


def draw(manifest: Manifest, *, fraction: float | None, seed: int) -> NDArray[np.int64]:
    """Return rows of the manifest to make the validation split, ascending.

    Every image draws a number that depends on the seed and on its name alone; those with the smallest are
    taken, but a class keeps two training images.

    Args:
        manifest: The pool.
        fraction: As for `size`.
        seed: Drives the draw.
    """
    rows = np.flatnonzero(
        manifest.labelled & manifest.equals("split", "train") & manifest.equals("status", "ok")
    )
    codes, keys = manifest.label_codes[rows], manifest.keys[rows]
    order = np.lexsort((keys, randomness.uniform(seed, "validation", keys)))
    counts = np.bincount(codes, minlength=len(manifest.classes))
    by_class = order[np.argsort(codes[order], kind="stable")]
    place = np.empty(len(rows), np.int64)  # of each image among its class, in the order of the draw
    place[by_class] = np.arange(len(rows)) - (np.cumsum(counts) - counts)[codes[by_class]]
    spared = order[place[order] < counts[codes[order]] - LEFT_PER_CLASS]
    return np.sort(rows[spared[: size(len(rows), fraction)]])
