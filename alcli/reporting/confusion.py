"""Where the newest model is right and wrong, on labelled images that it did not learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alcli.choosing.source import Source
from alcli.reporting.history import SPLIT_NAMES
from alcli.reporting.page import Confusion

MOST = 50  # classes that a table can show


def confusion(source: Source) -> Confusion | None:
    """Count true and predicted classes of held-out images; None without any that were scored."""
    if source.record is None or "prediction" not in source.shapes:
        return None
    manifest = source.manifest
    for split, word in SPLIT_NAMES.items():
        rows = np.flatnonzero(manifest.labelled & manifest.equals("split", split) & manifest.readable)
        rows = np.setdiff1d(rows, source.stale(rows))
        if len(rows):
            about = f"model {source.record.id} on {len(rows):,} {word} images"
            return _shown(about, source.classes, _counts(source, rows))
    return None


def _counts(source: Source, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (c, c) counts: true class down, predicted class across."""
    known = {name: code for code, name in enumerate(source.classes)}
    true = np.array([known[str(name)] for name in source.manifest.strings("label", rows)], np.int64)
    predicted = source.store.read(["prediction"], source.manifest.keys[rows])["prediction"]
    named = (predicted >= 0) & (predicted < len(known))  # a user's own model may say anything
    counts = np.zeros((len(known), len(known)), np.int64)
    np.add.at(counts, (true[named], predicted[named]), 1)
    return counts


def _shown(about: str, names: list[str], counts: NDArray[np.int64]) -> Confusion:
    """Leave out classes beyond the 50 with the most errors: mistaken for others, or others for them."""
    if len(names) <= MOST:
        return Confusion(about, names, counts.tolist())
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    kept = np.sort(np.argsort(-errors, kind="stable")[:MOST])
    note = f"; the {MOST} of {len(names)} classes with the most errors"
    return Confusion(about + note, [names[code] for code in kept], counts[np.ix_(kept, kept)].tolist())
