"""Pseudo-labels in the manifest, and when they go: those of CEAL belong to one round and leave with it.

CEAL (Wang et al., 2017, arXiv:1701.03551) empties its high-confidence set back into the pool after every round.
Which pseudo-labels are of this kind follows from `pseudo_method` alone, and the one function that turns a
manifest to its next round drops them, so that no command has to think of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alcli.manifest import Manifest
from alcli.schema import GUESSED

PASSING = "ceal-"  # how the methods begin whose labels last one round


def removed(manifest: Manifest, rows: NDArray[np.bool_]) -> Manifest:
    """Return the manifest without the pseudo-labels of `rows`, an (n,) mask."""
    if not rows.any():
        return manifest
    return manifest.assign(rows, **dict.fromkeys(GUESSED))


def passing(manifest: Manifest) -> NDArray[np.bool_]:
    """Return (n,) which images have a pseudo-label that goes when the next round begins."""
    mask = np.zeros(len(manifest), np.bool_)
    for method in manifest.table["pseudo_method"].unique().to_pylist():
        if method is not None and method.startswith(PASSING):
            mask |= manifest.equals("pseudo_method", method)
    return mask


def at_round(manifest: Manifest, number: int) -> Manifest:
    """Return the manifest as round `number` begins: the pseudo-labels of CEAL are back in the pool."""
    return removed(manifest, passing(manifest)).replace(round_=number)
