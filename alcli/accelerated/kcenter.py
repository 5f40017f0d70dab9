"""Farthest-first traversal on a device: the plain loop, which its memory bandwidth makes quick."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_DISTANCES = 2**26  # to the first centres, held at a time: 256 MiB


@torch.inference_mode()
def farthest_first(
    points: NDArray[np.float32], centres: NDArray[np.float32], k: int, *, device: str
) -> tuple[NDArray[np.int64], NDArray[np.float64], float, float]:
    """Pick, k times, the row farthest from all centres so far; of equally far ones the smallest row.

    Distances are sums of squared float32 differences, so equal rows are exactly 0 apart and picks are those of
    the engine in numpy unless two rows are equally far but for the seventh digit. Nothing comes back from the
    device before the last pick.

    Args:
        points: (n, d).
        centres: (l, d) that are there already; where l is 0, the row nearest the mean comes first.
        k: At most n.
        device: Anything that torch takes.

    Returns:
        The picked rows, fewer than k where every row lies on a centre; the distance of each to the centres before
        it; the largest and the mean distance of a row to its nearest centre after all picks.
    """
    rows = torch.tensor(points, device=device)  # a copy: arrays that may not be written to are fine
    picks = torch.zeros(k, dtype=torch.int64, device=device)
    scores = torch.zeros(k, dtype=torch.float32, device=device)
    found = _to_nearest(rows, torch.tensor(centres, device=device))
    for number in range(k):
        if number == 0 and not len(centres):
            middle = rows.mean(dim=0, dtype=torch.float64).to(torch.float32)
            picks[0] = _distances(rows, middle[None]).argmin()
        else:
            scores[number], picks[number] = found.max(), found.argmax()  # argmax takes the first of equals
        torch.minimum(found, _distances(rows, rows[picks[number : number + 1]])[:, 0], out=found)
        if number == 0 and not len(centres):
            scores[0] = found.max()
    done = int((scores > 0).sum())  # once 0 they stay 0
    if not len(centres):
        done = max(done, 1)
    return (
        picks[:done].cpu().numpy(),
        scores[:done].double().cpu().numpy(),
        float(found.max()),
        float(found.double().mean()),
    )


def _distances(rows: Tensor, centres: Tensor) -> Tensor:
    """Return Euclidean distances (n, m), measured from differences rather than by a matrix product."""
    return torch.cdist(rows, centres, compute_mode="donot_use_mm_for_euclid_dist")


def _to_nearest(rows: Tensor, centres: Tensor) -> Tensor:
    """Return each row's distance to its nearest centre, (n,); infinite where there are none."""
    if not len(centres):
        return torch.full((len(rows),), torch.inf, device=rows.device)
    step = max(1, _DISTANCES // len(centres))
    blocks = (rows[start : start + step] for start in range(0, len(rows), step))
    return torch.cat([_distances(block, centres).amin(dim=1) for block in blocks])
