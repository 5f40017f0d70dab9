"""What several annotators and a model come to together: CROWDLAB and the weights of ActiveLab, by cleanlab.

CROWDLAB (Goh, Tkachenko & Mueller, 2022, arXiv:2210.06812) weighs every annotator by how often others agree with
them, and the model as one more voice; ActiveLab (Goh & Mueller, 2023, arXiv:2301.11856) builds on the same
weights. cleanlab takes seconds to import, so it is imported where it is needed.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Opinions(NamedTuple):
    """How far labels, annotators and the model can be trusted.

    Attributes:
        quality: (n,) the probability that the consensus about a row is right.
        weights: (n,) summed weights of the annotators of each row.
        annotators: (m,) weight of each annotator, at least 1e-6.
        model: Weight of the model, at least 1e-6.
        temperature: By which the model's probabilities were divided in the logarithm.
    """

    quality: Floats
    weights: Floats
    annotators: Floats
    model: float
    temperature: float


def crowdlab(votes: Floats, probabilities: Floats) -> NDArray[np.int64]:
    """Return the label of each row that is likeliest right, among those that annotators gave.

    Where CROWDLAB would overrule all annotators of a row by the model alone, the likeliest of their labels
    stands: a label is what a person said. Equally likely labels go to the smaller code.

    Args:
        votes: (n, m) class codes by annotator; NaN where one did not answer. Each row and each column has an
            answer.
        probabilities: (n, c) of a model that was not fitted on these rows.

    Returns:
        (n,) class codes.
    """
    given = ~np.isnan(votes)
    if not _several(votes) or probabilities.shape[1] < 2:
        return np.asarray(np.nanmin(votes, axis=1), np.int64)
    found = _quality(votes, probabilities, return_detailed_quality=True)["detailed_label_quality"]
    quality = np.where(given, np.asarray(found, np.float64), -np.inf)
    best = quality == quality.max(axis=1, keepdims=True)
    return np.asarray(np.where(best, votes, np.inf).min(axis=1), np.int64)


def opinions(votes: Floats, probabilities: Floats) -> Opinions:
    """Weigh annotators and the model as ActiveLab does.

    Where no row has two answers, nothing can be weighed: all weights and the temperature are 1, and the quality
    of a label is its probability.

    Args:
        votes: (n, m) class codes by annotator; NaN where one did not answer. Each row and each column has an
            answer.
        probabilities: (n, c) of models that were not fitted on the rows that they judge.
    """
    given = ~np.isnan(votes)
    if not _several(votes) or probabilities.shape[1] < 2:
        codes = np.nanmin(votes, axis=1).astype(np.int64)
        quality = np.take_along_axis(probabilities, codes[:, None], axis=1)[:, 0]
        return Opinions(quality, given.sum(axis=1).astype(np.float64), np.ones(votes.shape[1]), 1.0, 1.0)
    from cleanlab.internal.multiannotator_utils import find_best_temp_scaler, temp_scale_pred_probs

    with _undisturbed():
        temperature = float(find_best_temp_scaler(votes, probabilities))
        scaled = temp_scale_pred_probs(probabilities, temperature)
    found = _quality(votes, scaled, return_weights=True)
    annotators = np.asarray(found["annotator_weight"], np.float64)
    return Opinions(
        quality=found["label_quality"]["consensus_quality_score"].to_numpy(),
        weights=np.where(given, annotators, 0.0).sum(axis=1),
        annotators=annotators,
        model=float(found["model_weight"]),
        temperature=temperature,
    )


def _several(votes: Floats) -> bool:
    """Return whether any row has two answers."""
    return bool(((~np.isnan(votes)).sum(axis=1) > 1).any())


def _quality(votes: Floats, probabilities: Floats, **returned: bool) -> dict[str, Any]:
    from cleanlab import multiannotator

    wanted = {"return_detailed_quality": False, "return_annotator_stats": False, **returned}
    with _undisturbed():
        found = multiannotator.get_label_quality_multiannotator(votes, probabilities, verbose=False, **wanted)
    return dict(found)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep cleanlab's warnings away, and the last ties, which it breaks by numpy's global numbers, repeatable."""
    before = np.random.get_state()  # noqa: NPY002 - cleanlab takes no generator
    np.random.set_state(np.random.RandomState(0).get_state())  # noqa: NPY002 - as above
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(before)  # noqa: NPY002 - as above
