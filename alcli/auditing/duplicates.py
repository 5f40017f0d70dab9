"""Images of equal bytes that people labelled differently."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli.manifest import Manifest


def disputed(manifest: Manifest, delivered: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return the groups of equal images with different labels, in the order of their first file names.

    Only groups with an image of `delivered` (n,) count. Near duplicates are not looked for: a network that learned
    classes puts different images of one class as close together as copies of one image.

    Returns:
        For each group `sha256`, and `images` with `file_name`, `label` and `delivered`.
    """
    rows = np.flatnonzero(manifest.labelled & manifest.filled("sha256"))
    digests = manifest.table["sha256"].take(pa.array(rows)).combine_chunks().dictionary_encode()
    codes = digests.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    parts = np.split(rows[order], np.flatnonzero(np.diff(codes[order])) + 1) if len(rows) else []
    labels = manifest.label_codes
    groups = [part for part in parts if delivered[part].any() and len(np.unique(labels[part])) > 1]
    return [_described(manifest, group, delivered) for group in sorted(groups, key=lambda part: int(part[0]))]


def _described(manifest: Manifest, rows: NDArray[np.int64], delivered: NDArray[np.bool_]) -> dict[str, Any]:
    columns = {name: manifest.strings(name, rows) for name in ("file_name", "label")}
    images = [
        {"file_name": name, "label": label, "delivered": bool(new)}
        for name, label, new in zip(*columns.values(), delivered[rows], strict=True)
    ]
    return {"sha256": manifest.strings("sha256", rows[:1])[0], "images": images}
