"""RAD's verdicts (Zhao et al., 2019, "RAD: On-line Anomaly Detection for Highly Unreliable Data", arXiv:1911.04383).

A label y is judged by a label-quality model L and a classifier C, neither of which has seen it:

    ==============  ==========  ==========  ==========  =============
    L and C say     rad         voting      active      slim (no L)
    ==============  ==========  ==========  ==========  =============
    L = y           keep        keep        keep        C = y: keep
    L ≠ y, C = y    drop        keep        keep        keep
    L ≠ y, C = L    drop        relabel: C  relabel: C  C ≠ y: ask
    all differ      drop        drop        ask         ask
    ==============  ==========  ==========  ==========  =============
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Method = Literal["rad", "rad-voting", "rad-active", "rad-slim"]

DECISIONS = ("keep", "drop", "relabel", "ask")
KEEP, DROP, RELABEL, ASK = range(4)


class Verdicts(NamedTuple):
    """What becomes of n labels.

    Attributes:
        decisions: (n,) int8 positions in `DECISIONS`.
        labels: (n,) int64 class codes: the label as it is to be. C's where it is relabelled, else as given.
    """

    decisions: NDArray[np.int8]
    labels: NDArray[np.int64]


def decide(
    labels: NDArray[Any], label_model: NDArray[Any], classifier: NDArray[Any], method: Method
) -> Verdicts:
    """Return what becomes of each label.

    Args:
        labels: (n,) class codes that were given, y.
        label_model: (n,) codes that L predicts; `rad-slim` does not look at them.
        classifier: (n,) codes that C predicts.
        method: Which column of the table.
    """
    given, guess, seen = (np.asarray(codes, np.int64) for codes in (labels, label_model, classifier))
    confirmed = seen == given
    if method == "rad-slim":
        return Verdicts(np.where(confirmed, KEEP, ASK).astype(np.int8), given)
    fine = guess == given
    if method == "rad":
        return Verdicts(np.where(fine, KEEP, DROP).astype(np.int8), given)
    agreed = ~fine & ~confirmed & (seen == guess)
    unsettled = ASK if method == "rad-active" else DROP
    decisions = np.select([fine | confirmed, agreed], [KEEP, RELABEL], unsettled).astype(np.int8)
    return Verdicts(decisions, np.where(agreed, seen, given))


def within_budget(
    decisions: NDArray[np.int8], urgency: NDArray[np.float64], keys: NDArray[np.uint64], budget: int | None
) -> NDArray[np.int8]:
    """Return (n,) decisions of which at most `budget` are to ask; the other questions become drops.

    Args:
        decisions: (n,) as `decide` gives them.
        urgency: (n,) the largest are asked. The paper leaves open which; for RAD it is one less C's confidence.
        keys: (n,) identities; of equals the smaller one is asked.
        budget: How many questions, m; None is any number.
    """
    asked = np.flatnonzero(decisions == ASK)
    if budget is None or len(asked) <= budget:
        return decisions
    order = np.lexsort((keys[asked], -np.round(urgency[asked], 10)))
    limited = decisions.copy()
    limited[asked[order[budget:]]] = DROP
    return limited
