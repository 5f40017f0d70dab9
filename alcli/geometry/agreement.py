"""How well clusters agree with classes: what deep clustering is measured by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]


class Agreement(NamedTuple):
    """Figures that do not depend on how clusters are numbered; NaN for fewer than two images.

    Attributes:
        accuracy: ACC: the share of images in the cluster of their class, under the best one-to-one matching of
            clusters and classes (Kuhn, 1955, doi:10.1002/nav.3800020109), in [0, 1]. It is not the accuracy of a
            classification, whose classes are given.
        nmi: Mutual information over the mean of both entropies, in [0, 1].
        ari: Adjusted Rand index (Hubert & Arabie, 1985, doi:10.1007/BF01908075), at most 1; 0 by chance.
    """

    accuracy: float
    nmi: float
    ari: float


def agreement(codes: Codes, clusters: Codes) -> Agreement:
    """Return how well `clusters` agree with `codes`, (n,) each, all at least 0."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    if len(codes) < 2:
        return Agreement(float("nan"), float("nan"), float("nan"))
    width = int(max(codes.max(), clusters.max())) + 1  # square, so that any cluster may be any class's
    counts = np.bincount(clusters * width + codes, minlength=width * width).reshape(width, width)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return Agreement(
        float(counts[rows, columns].sum() / len(codes)),
        float(normalized_mutual_info_score(codes, clusters)),
        float(adjusted_rand_score(codes, clusters)),
    )
