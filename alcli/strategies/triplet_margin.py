"""Top-Two-Margin of Triplet AL."""

from __future__ import annotations

from typing import Literal

import numpy as np

from alcli.strategies._strategy import Floats, pointwise


@pointwise(
    paper="Sundriyal, Ghosh, Vatsa & Singh, 2021, doi:10.1609/aaai.v35i18.17948 (Top-Two-Margin)",
    prediction="triplet_prediction",
)
def triplet_margin(
    triplet_distances: Floats, *, order: Literal["confident", "uncertain"] = "confident"
) -> Floats:
    """Take the images that are closest to one class centre and furthest from the next.

    The centres are the mean embeddings of the labelled images of each class (see `alcli.geometry.centres`).

    Args:
        triplet_distances: (n, 2) Euclidean distances D1 ≤ D2 to the nearest two centres; D2 is infinite where
            only one class is labelled.
        order: "confident", as published: the largest margin first, for labels that the model gives.
            "uncertain": the smallest first, for people.

    Returns:
        (n,) margins D2 - D1 in embedding units (-D1 where there is one class: its closest first), and their
        negatives for "uncertain".
    """
    first, second = triplet_distances.T
    margins = np.where(np.isfinite(second), second, 0) - first
    return np.asarray(margins if order == "confident" else -margins)
