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
    newest round that sent them out, and in which they were declined, or a check withheld the answer: only for these the
    lists of the rounds are read. A round that was withdrawn asks no longer, but for what was declined before.

    Args:
        project: The pool.
        manifest: Its manifest.
        rows: (r,) rows of it.
    """
    out, given = (
        manifest.table[name].fill_null(-1).to_numpy()[rows] for name in ("queried_round", "label_round")
    )
    found = np.where(out >= 0, out, np.where(manifest.labelled[rows], given, -1)).astype(np.int64)
    declined = manifest.equals("status", "skipped")[rows]
    withdrawn: set[int] = set()
    for number in range(manifest.round, 0, -1):
        if (found >= 0).all():
            break
        sent = identity.keys_of(pa.array(rounds.sent(project, number), pa.string()))
        asks = declined | (number not in withdrawn)
        found[(found < 0) & asks & np.isin(manifest.keys[rows], sent)] = number
        withdrawn.update(rounds.about(project, number).get("replaced", ()))
    return found
