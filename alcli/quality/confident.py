"""Confident learning (Northcutt, Jiang & Chuang, 2021, "Confident learning", JAIR 70), through cleanlab.

All functions take labels (n,) as class codes, and probabilities (n, c) of models that had not seen the label
they judge, as `crossfit` makes them. Classes that no label names are left out.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alcli.errors import InputRejected

Filter = Literal["prune_by_noise_rate", "confident_learning"]


def noise_rate(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """Return the estimated share of wrong labels, in [0, 1].

    It is the mass off the diagonal of the estimated joint distribution of given and true labels, calibrated
    so that its rows have the counts of the given labels.
    """
    codes, beliefs = _compact(labels, probabilities)
    if beliefs.shape[1] < 2:
        return 0.0
    from cleanlab.count import compute_confident_joint

    joint = compute_confident_joint(codes, beliefs, calibrate=True)
    return float(1.0 - np.trace(joint) / joint.sum())


def issues(labels: NDArray[Any], probabilities: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n,) the labels to look at: of each pair of classes as many as the joint says, the least likely first."""
    return _found(labels, probabilities, "prune_by_noise_rate")


def errors(labels: NDArray[Any], probabilities: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n,) the labels that count as wrong in an estimate of how many are.

    These lie off the diagonal of the confident joint as it is counted, before it is calibrated: cleanlab's own
    estimate of the number of wrong labels, which is the more cautious one.
    """
    return _found(labels, probabilities, "confident_learning")


def suspicion(labels: NDArray[Any], probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Return (n,) how suspicious each label is, in [0, 1]: 1 less its normalised margin.

    That is (1 + p_other - p_label) / 2, where p_other is the largest probability of another class: above 0.5
    another class is the likelier one.
    """
    codes, beliefs = _compact(labels, probabilities)
    if beliefs.shape[1] < 2:
        return np.zeros(len(codes))
    from cleanlab.rank import get_label_quality_scores

    return 1.0 - np.asarray(get_label_quality_scores(codes, beliefs, method="normalized_margin"))


def _found(labels: NDArray[Any], probabilities: NDArray[Any], filter_by: Filter) -> NDArray[np.bool_]:
    codes, beliefs = _compact(labels, probabilities)
    if beliefs.shape[1] < 2:
        return np.zeros(len(codes), np.bool_)
    from cleanlab.filter import find_label_issues

    # One job: processes would start anew for each call, and gain less than they cost.
    return np.asarray(find_label_issues(codes, beliefs, filter_by=filter_by, n_jobs=1), np.bool_)


def _compact(
    labels: NDArray[Any], probabilities: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return codes without gaps, and the probabilities of these classes alone, rows summing to 1."""
    beliefs = np.asarray(probabilities, np.float64)
    if not np.isfinite(beliefs).all():
        raise InputRejected("probabilities are not finite")
    present, codes = np.unique(labels, return_inverse=True)
    beliefs = beliefs[:, present]
    total = beliefs.sum(axis=1, keepdims=True)
    even = np.full_like(beliefs, 1.0 / max(len(present), 1))
    return codes, np.divide(beliefs, total, out=even, where=total > 0)
