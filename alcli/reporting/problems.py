"""Images that take no part, and why."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alcli.manifest import Manifest
from alcli.reporting.page import Finding

MOST = 500


def problems(manifest: Manifest, secret: NDArray[np.bool_]) -> tuple[list[Finding], int]:
    """Return the first images that are not `ok`, with reasons, and how many more there are.

    Args:
        manifest: The pool's.
        secret: (n,) of which must not be told whether a person declined them: a gold row keeps its label if so.
    """
    declined = manifest.equals("status", "skipped")
    rows = np.flatnonzero(~manifest.equals("status", "ok") & ~(declined & secret))
    columns = (manifest.strings(name, rows[:MOST]) for name in ("file_name", "status", "problem"))
    found = [
        Finding(str(name), ": ".join(str(part) for part in (status, problem) if part))
        for name, status, problem in zip(*columns, strict=True)
    ]
    return found, max(0, len(rows) - MOST)
