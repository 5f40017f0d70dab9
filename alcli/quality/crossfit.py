"""Out-of-sample class probabilities: every label is judged by a model that was not shown it.

The rows are cut into folds, each class spread evenly over them; each fold is judged by a model that was fitted
on the others. This keeps a model from repeating the wrong label that it learned (cross-fitting, as confident
learning asks for: Northcutt, Jiang & Chuang, 2021, "Confident learning", JAIR 70).
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import randomness
from alcli.geometry import distances

FOLDS = 5
_NEIGHBOURS = 10  # few enough for classes of a handful of images, enough that one wrong label is outvoted
_KNOWN = 20_000  # rows among which neighbours are looked for, spread evenly over those there are
_STEPS = 200  # of L-BFGS; more change no probability that anybody could tell
_PENALTY = 0.01  # of ‖w‖²/2 beside the mean loss: with a third of the labels wrong, less fits the wrong ones
_BLOCK = 1_024  # rows that are judged at a time

Probabilities = NDArray[np.float64]
Judge = Callable[[NDArray[Any]], Probabilities]
"""Takes (r, d) embeddings; returns (r, classes) probabilities."""
Fit = Callable[[NDArray[np.float32], NDArray[np.int64]], Judge]
"""Takes (m, d) embeddings and (m,) codes from 0 without gaps; returns a judge of these classes."""


def probabilities(
    embeddings: NDArray[Any],
    labels: NDArray[Any],
    classes: int,
    *,
    keys: NDArray[np.uint64] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> Probabilities:
    """Return what a multinomial logistic regression on standardised embeddings thinks of each row.

    This is the label-quality model L of RAD (Zhao et al., 2019, arXiv:1911.04383), and the head that confident
    learning judges by. Where a class has one row, the model that judges this row has never seen the class and
    gives it 0; classes without any row have 0 everywhere.

    Args:
        embeddings: (n, d) finite numbers.
        labels: (n,) class codes from 0 to `classes` - 1, one per row.
        classes: How many classes there are, c.
        keys: (n,) identities of the rows; with them the answer does not depend on their order.
        folds: How many parts to cut the rows into, at least 2; never more than there are rows.
        seed: Of the cut.

    Returns:
        (n, c) probabilities, each row judged by a model that was not fitted on it; rows sum to 1.
    """
    return _cross_fitted(_logistic, embeddings, labels, classes, keys=keys, folds=folds, seed=seed)


def judge_of_others(
    embeddings: NDArray[Any], labels: NDArray[Any], classes: int, *, keys: NDArray[np.uint64] | None = None
) -> Judge:
    """Return the regression of `probabilities`, fitted on all n rows: it judges rows that are not among them.

    What it thinks of those compares with what `probabilities` thinks of these.
    """
    order = np.arange(len(labels)) if keys is None else np.argsort(keys, kind="stable")
    points, codes = np.asarray(embeddings, np.float32)[order], np.asarray(labels, np.int64)[order]
    with _content():
        (known,) = distances.in_threads(lambda fit: _knowing(fit, points, codes, classes), [_logistic])

    def judge(others: NDArray[Any]) -> Probabilities:
        blocks = [others[start : start + _BLOCK] for start in range(0, len(others), _BLOCK)]
        # In float64, for the last bits of float32 would depend on which rows come together.
        parts = distances.in_threads(lambda block: known(block.astype(np.float64)), blocks)
        return np.concatenate([np.empty((0, classes)), *parts])

    return judge


def neighbour_probabilities(
    embeddings: NDArray[Any],
    labels: NDArray[Any],
    classes: int,
    *,
    keys: NDArray[np.uint64] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> Probabilities:
    """Return the same as `probabilities` from the ten nearest rows by cosine, a judge of another kind.

    Each neighbour votes with weight (1 + cosine) / 2. One more vote is spread over the classes by how common
    they are, so that no probability is 0 for a class that the model has seen. Where there are more than 20,000
    rows, neighbours are looked for among 20,000 of them, so the work grows with n and not with n².
    """
    return _cross_fitted(_nearest, embeddings, labels, classes, keys=keys, folds=folds, seed=seed)


def _cross_fitted(
    fit: Fit,
    embeddings: NDArray[Any],
    labels: NDArray[Any],
    classes: int,
    *,
    keys: NDArray[np.uint64] | None,
    folds: int,
    seed: int,
) -> Probabilities:
    n = len(labels)
    keys = np.arange(n, dtype=np.uint64) if keys is None else keys
    order = np.argsort(keys, kind="stable")
    points, codes = np.asarray(embeddings, np.float32)[order], np.asarray(labels, np.int64)[order]
    part = _cut(codes, keys[order], min(folds, n), seed)
    judged = np.zeros((n, classes))

    def judge_part(number: int) -> None:
        held_out = part == number
        judged[held_out] = _knowing(fit, points[~held_out], codes[~held_out], classes)(points[held_out])

    with _content():
        distances.in_threads(judge_part, range(min(folds, n)))
    back = np.empty_like(judged)
    back[order] = judged / np.maximum(judged.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return back


def _knowing(fit: Fit, points: NDArray[np.float32], codes: NDArray[np.int64], classes: int) -> Judge:
    """Fit what can be fitted: a class that no row has is never named, and a single one always."""
    present, local = np.unique(codes, return_inverse=True)
    fitted = fit(points, local) if len(present) > 1 else None

    def judge(others: NDArray[Any]) -> Probabilities:
        judged = np.zeros((len(others), classes))
        if fitted:
            judged[:, present] = fitted(others)
        else:
            judged[:, present if len(present) else slice(None)] = 1.0 / max(len(present) or classes, 1)
        return judged

    return judge


@contextlib.contextmanager
def _content() -> Iterator[None]:
    """Keep quiet that a model could be fitted still closer, which helps nobody."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _cut(codes: NDArray[np.int64], keys: NDArray[np.uint64], folds: int, seed: int) -> NDArray[np.int64]:
    """Return (n,) the fold of each row; the folds' shares of any class differ by one row at most."""
    drawn = np.lexsort((keys, randomness.uniform(seed, "cross-fit", keys), codes))
    part = np.empty(len(codes), np.int64)
    part[drawn] = np.arange(len(codes)) % max(folds, 1)
    return part


def _logistic(points: NDArray[np.float32], codes: NDArray[np.int64]) -> Judge:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    strength = 1.0 / (_PENALTY * len(codes))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=_STEPS, tol=1e-3))
    model.fit(points, codes)
    return lambda others: np.asarray(model.predict_proba(others), np.float64)


def _nearest(points: NDArray[np.float32], codes: NDArray[np.int64]) -> Judge:
    prior = np.bincount(codes) / len(codes)
    some = np.linspace(0, len(codes) - 1, min(len(codes), _KNOWN)).astype(np.int64)
    known, codes = distances.unit(points[some]), codes[some]

    def judge(others: NDArray[np.float32]) -> Probabilities:
        votes = np.tile(prior, (len(others), 1))
        for start in range(0, len(others), _BLOCK):
            cosines = distances.unit(others[start : start + _BLOCK]) @ known.T
            rows = np.arange(len(cosines))
            for _ in range(min(_NEIGHBOURS, len(codes))):  # ten maxima are found sooner than a partial order
                nearest = cosines.argmax(axis=1)
                votes[start + rows, codes[nearest]] += (1 + cosines[rows, nearest]) / 2
                cosines[rows, nearest] = -np.inf
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))

    return judge
