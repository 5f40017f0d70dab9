"""Where the newest model is right and wrong, on labelled images that it did not learn from."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from alcli.choosing.source import Source
from alcli.reporting.history import SPLIT_NAMES
from alcli.reporting.page import Confusion


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
            return Confusion(about, source.classes, _counts(source, rows))
    return None


def _counts(source: Source, rows: NDArray[np.int64]) -> dict[tuple[int, int], int]:
    """Count images by true and predicted class."""
    known = {name: code for code, name in enumerate(source.classes)}
    true = np.array([known[str(name)] for name in source.manifest.strings("label", rows)], np.int64)
    predicted = source.store.read(["prediction"], source.manifest.keys[rows])["prediction"]
    named = (predicted >= 0) & (predicted < len(known))  # a user's own model may say anything
    return Counter(zip(true[named].tolist(), predicted[named].tolist(), strict=True))
