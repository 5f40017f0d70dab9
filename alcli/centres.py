"""Class centres in an embedding space, and each image's distance to the nearest two: Triplet AL's geometry.

Sundriyal, Ghosh, Vatsa & Singh, 2021, AAAI student abstract, doi:10.1609/aaai.v35i18.17948. The paper leaves
open which mean and which distance: here it is the plain mean of the L2-normalised embeddings, not normalised
again, and the Euclidean distance, not squared.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli.errors import InputRejected


class Centres(NamedTuple):
    """The centres of the classes that have a labelled image.

    Attributes:
        classes: (p,) int32 codes, ascending.
        points: (p, d) float64.
    """

    classes: NDArray[np.int32]
    points: NDArray[np.float64]


class Nearest(NamedTuple):
    """Each image's nearest two centres.

    Attributes:
        labels: (n,) int32 code of the nearest centre's class, the lowest one of equals.
        first: (n,) float64 Euclidean distance to it.
        second: (n,) float64 distance to the runner-up; infinite if there is one centre only.
    """

    labels: NDArray[np.int32]
    first: NDArray[np.float64]
    second: NDArray[np.float64]


def centres_of(embeddings: NDArray[Any], labels: NDArray[Any], classes: int) -> Centres:
    """Return the mean embedding of each class that occurs.

    Args:
        embeddings: (l, d) of the labelled images.
        labels: (l,) class codes in [0, classes); -1 means none and the row is passed over.
        classes: c; classes without a labelled image have no centre.

    Raises:
        InputRejected: No row has a label, or a code is not below c.
    """
    present, counts = np.unique(labels[labels >= 0], return_counts=True)
    if not len(present) or present[-1] >= classes:
        problem = f"class code {present[-1]} of {classes} classes" if len(present) else "no labelled images"
        raise InputRejected(f"{problem}: there is nothing to take class centres of")
    order = np.argsort(labels, kind="stable")[len(labels) - int(counts.sum()) :]  # by class, without the -1
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sums = np.add.reduceat(embeddings[order].astype(np.float64), starts, axis=0)  # (p, d)
    return Centres(present.astype(np.int32), sums / counts[:, None])


def nearest(embeddings: NDArray[Any], centres: Centres) -> Nearest:
    """Return each row's nearest two centres.

    Differences are squared and summed, row by row: unlike ‖x‖² + ‖c‖² - 2x·c by a matrix product, this loses
    no digits to cancellation, and a row's bits do not depend on which rows come with it.

    Args:
        embeddings: (n, d); best a block of rows that fits the cache.
        centres: p ≥ 1 of them.
    """
    rows = np.ascontiguousarray(embeddings, np.float64)
    first = np.full(len(rows), np.inf)
    second = first.copy()
    at = np.zeros(len(rows), np.intp)
    for number, point in enumerate(centres.points):
        squares = np.square(rows - point).sum(axis=1)  # (n,)
        closer = squares < first  # strictly: the lowest class of equals stays
        second = np.where(closer, first, np.minimum(second, squares))
        first = np.where(closer, squares, first)
        at[closer] = number
    return Nearest(centres.classes[at], np.sqrt(first), np.sqrt(second))
