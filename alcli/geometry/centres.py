"""Class centres in an embedding space, and each image's distance to the nearest two: Triplet AL's geometry.

Sundriyal, Ghosh, Vatsa & Singh, 2021, AAAI student abstract, doi:10.1609/aaai.v35i18.17948. The paper leaves
open which mean and which distance: here it is the plain mean of the L2-normalised embeddings, not normalised
again, and the Euclidean distance, not squared.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli import uncertainty
from alcli.errors import InputRejected

Floats = NDArray[np.float64]

_CANDIDATES = 8  # centres per row that are worth measuring one by one


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
    """Find each row's nearest two centres.

    Distances are sums of squared differences, row by row: unlike ‖x‖² + ‖c‖² - 2x·c by a matrix product, that
    loses no digits to cancellation, and a row's bits do not depend on which rows come with it. The quicker
    product only rules out the centres that cannot be among a row's nearest two.

    Args:
        embeddings: (n, d).
        centres: p ≥ 1 of them.
    """
    n, d = embeddings.shape
    at, first, second = np.empty(n, np.intp), np.empty(n), np.empty(n)
    for block in uncertainty.blocks(n, max(d, len(centres.classes))):
        rows = np.ascontiguousarray(embeddings[block], np.float64)
        pairs = _candidates(rows, centres.points)
        found = _of_all(rows, centres.points) if pairs is None else _of_pairs(rows, centres.points, *pairs)
        at[block], first[block], second[block] = found
    return Nearest(centres.classes[at], np.sqrt(first), np.sqrt(second))


def _candidates(rows: Floats, points: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Return sorted pairs (row, centre), each row's nearest two centres among them; None if too many."""
    if len(points) == 1:
        return None
    squares = np.square(points).sum(axis=1)
    estimate = squares - 2 * (rows @ points.T)  # (n, p) squared distances less ‖x‖², which a row shares
    # A dot product of d terms is off by at most d·ε·‖x‖·‖c‖; 8 covers sums and both sides of a comparison.
    scale = np.square(np.sqrt(np.square(rows).sum(axis=1)) + np.sqrt(squares.max()))
    slack = 8 * rows.shape[1] * np.finfo(np.float64).eps * scale
    best = (np.arange(len(rows)), estimate.argmin(axis=1))
    lowest = estimate[best]
    estimate[best] = np.inf
    limit = estimate.min(axis=1) + slack
    estimate[best] = lowest
    close = estimate <= limit[:, None]
    if np.count_nonzero(close) > _CANDIDATES * len(rows):  # centres coincide: a collapsed embedding
        return None
    of_row, of_centre = np.nonzero(close)
    return of_row, of_centre


def _of_pairs(
    rows: Floats, points: Floats, of_row: NDArray[np.intp], of_centre: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Return the nearest centre and the two smallest squared distances, out of two candidates or more."""
    squares = np.square(rows[of_row] - points[of_centre]).sum(axis=1)
    order = np.lexsort((of_centre, squares, of_row))  # of equals, the lowest class
    starts = np.searchsorted(of_row, np.arange(len(rows)))
    return of_centre[order[starts]], squares[order[starts]], squares[order[starts + 1]]


def _of_all(rows: Floats, points: Floats) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Return the same by measuring the distance to every centre."""
    at = np.zeros(len(rows), np.intp)
    first, second = np.full(len(rows), np.inf), np.full(len(rows), np.inf)
    for number, point in enumerate(points):
        squares = np.square(rows - point).sum(axis=1)  # (n,)
        closer = squares < first  # strictly: the lowest class of equals stays
        second = np.where(closer, first, np.minimum(second, squares))
        first = np.where(closer, squares, first)
        at[closer] = number
    return at, first, second
