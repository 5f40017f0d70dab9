"""What a batch strategy is told beforehand, and what it returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Rows = NDArray[np.int64]

RANK, DIVERSE, FILL = "rank", "diverse", "fill"  # why an image is in a batch


class Size(NamedTuple):
    """How large a call is, known before any signal is read.

    Attributes:
        rows: n, images to choose from.
        k: Images to choose.
        labelled: l, labelled images that the strategy looks at.
        classes: c; 0 where unknown.
        width: d of the embeddings; 0 where they are not read.
    """

    rows: int
    k: int
    labelled: int
    classes: int
    width: int


@dataclass(frozen=True)
class Batch:
    """A batch, in pick order.

    Attributes:
        rows: (k,) distinct positions among the n rows of the call.
        scores: (k,) finite: what each was worth when it was picked; higher is better.
        reasons: k words for the column `reason`; empty for `rank` throughout.
        clusters: (k,) the cluster that each was picked from; None where there are none.
        quality: Figures that judge the batch as a whole, such as `covering_radius`, for `selection.json`.
        approximations: What was not computed exactly, in words.
    """

    rows: Rows
    scores: Floats
    reasons: Sequence[str] = ()
    clusters: NDArray[np.int64] | None = None
    quality: Mapping[str, Any] = field(default_factory=dict)
    approximations: Sequence[str] = ()

    def at(self, positions: Rows) -> Batch:
        """Return the batch with rows that are positions in a larger array, of which `positions` is a part."""
        return dataclasses.replace(self, rows=positions[self.rows])


def filled(rows: Rows, scores: Floats, k: int, rest: Rows, *, reason: str = DIVERSE) -> Batch:
    """Return a batch of k: what was picked, then the first of `rest` that were not, as `fill`.

    Args:
        rows: (p,) picked, p ≤ k.
        scores: (p,) theirs.
        k: Images wanted.
        rest: Positions in the order in which they fill up; all that could be needed. They score 0, or the
            lowest score picked where that is below.
        reason: Of the picked ones.
    """
    taken = np.zeros(max(rows.max(initial=-1), rest.max(initial=-1)) + 1, np.bool_)
    taken[rows] = True
    more = rest[~taken[rest]][: k - len(rows)]
    floor = min(0.0, float(scores.min(initial=0.0)))
    return Batch(
        np.concatenate([rows, more]).astype(np.int64),
        np.concatenate([scores, np.full(len(more), floor)]).astype(np.float64),
        [reason] * len(rows) + [FILL] * len(more),
    )


def joined(parts: Sequence[Batch], order: NDArray[Any]) -> Batch:
    """Return several batches as one, in a given order of their rows one after the other.

    Figures of the parts are listed side by side: they judge each part by itself. Clusters are numbered on.
    """
    reasons = [reason for part in parts for reason in part.reasons or [RANK] * len(part.rows)]
    numbered: list[NDArray[np.int64]] = []
    for part in parts:
        if part.clusters is not None:
            start = max((int(before.max(initial=-1)) + 1 for before in numbered), default=0)
            numbered.append(part.clusters + start)
    clusters = np.concatenate(numbered) if parts and len(numbered) == len(parts) else None
    figures = {name for part in parts for name in part.quality}
    return Batch(
        np.concatenate([np.empty(0, np.int64), *(part.rows for part in parts)])[order],
        np.concatenate([np.empty(0), *(part.scores for part in parts)])[order],
        [reasons[at] for at in order],
        None if clusters is None else clusters[order],
        {name: [part.quality.get(name) for part in parts] for name in sorted(figures)},
        list(dict.fromkeys(note for part in parts for note in part.approximations)),
    )
