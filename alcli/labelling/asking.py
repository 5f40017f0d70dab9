"""Which round asked for the label of an image."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import identity, rounds
from alcli.manifest import Manifest
from alcli.project import Project

Rows = NDArray[np.int64]


def asked(project: Project, manifest: Manifest, rows: Rows) -> Rows:
    """Return for each of `rows` the round that asked for its label; -1 where none did.

    That is the round which the image is out in, or whose question its label answers already. Of other images it is the
    newest round that sent them out, as their answers were declined, withheld or withdrawn: only for these the lists of
    the rounds are read.

    Args:
        project: The pool.
        manifest: Its manifest.
        rows: (r,) rows of it.
    """
    out, given = (
        manifest.table[name].fill_null(-1).to_numpy()[rows] for name in ("queried_round", "label_round")
    )
    found = np.where(out >= 0, out, np.where(manifest.labelled[rows], given, -1)).astype(np.int64)
    for number in range(manifest.round, 0, -1):
        open_ = np.flatnonzero(found < 0)
        if not len(open_):
            break
        sent = identity.keys_of(pa.array(rounds.sent(project, number), pa.string()))
        found[open_[np.isin(manifest.keys[rows[open_]], sent)]] = number
    return found
