"""Ranking the pool: scores give the k images to label next. Neither torch nor pyarrow is imported.

`plan` settles which signals a strategy reads, the plan turns them into scores, chunk by chunk, and `top`
takes the best. `rank` does all of it on whole arrays: the library's way in, through the same functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alcli import accelerated, plugins, uncertainty
from alcli.errors import UsageError
from alcli.planning import Plan, Scores, image_name, plan
from alcli.strategies import _inputs
from alcli.strategies._batch import Size
from alcli.strategies._strategy import Selection, Strategy, find

__all__ = ["Plan", "Scores", "Selection", "Strategy", "find", "plan", "rank", "strategies", "top"]

Arrays = Mapping[str, NDArray[Any]]
Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_CHUNK = 16_384  # rows that `rank` hands over at a time


def strategies() -> list[str]:
    """Return the names of all strategies, as the command line spells them."""
    return plugins.names("alcli.strategies")


def rank(
    strategy: str,
    *,
    k: int,
    seed: int = 0,
    labelled: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    stochastic: str | None = None,
    beta: float = 1.0,
    device: str = "cpu",
    **signals_and_options: Any,
) -> Selection:
    """Return the k rows to label next.

    Args:
        strategy: One of `alcli.strategies()`.
        k: How many; more than there are unlabelled rows takes all of them, 0 or less none.
        seed: Drives every random choice.
        labelled: (N,) booleans; these rows are never returned. None: the rows that have one of `labels`.
        labels: (N,) classes: integers, -1 for none; or strings, None or "" for none. Only those of labelled
            rows count.
        stochastic: `power`, `softmax` or `softrank`: sample with probabilities that grow with the score
            (Kirsch et al., 2023) instead of taking the best.
        beta: How closely the sample follows the scores.
        device: `cpu` or `cuda`, for the strategies that can use it.
        **signals_and_options: Arrays of N rows by name: `probabilities` (N, c), `embeddings` (N, d),
            `triplet_embeddings` (N, t), `mc_probabilities` (N, m, c), `confidence`, `margin`, `entropy` (N,);
            the model's last layer, `head_weights` (c, d) and `head_bias` (c,); and the strategy's own
            options. Arrays are never modified.

    Returns:
        min(k, unlabelled) distinct rows in pick order and their scores; equal scores go to the smaller row.

    Raises:
        UsageError: A name is unknown, a signal is missing, or a shape does not fit.
        InputRejected: A row holds NaN, or probabilities that do not sum to 1.
    """
    options = find(strategy).options
    given = {name: value for name, value in signals_and_options.items() if name in options}
    arrays = {n: _array(strategy, n, v) for n, v in signals_and_options.items() if n not in options}
    signals = {n: values for n, values in arrays.items() if n in _inputs.SIGNALS}
    settled = plan(
        strategy,
        signals,
        options=given,
        seed=seed,
        stochastic=stochastic,
        beta=beta,
        row_name="row {}".format,
    )
    lacking = [*settled.missing, *(name for name in settled.model_inputs if name not in arrays)]
    if lacking:
        raise UsageError(f"{strategy} needs {settled.strategy.needs}; {lacking[0]} was not given")
    settled.know(
        device=accelerated.device_for(device), **{name: arrays[name] for name in settled.model_inputs}
    )
    known, codes = _labelling(labelled, labels)
    n = _row_count({**signals, "labelled": known, "labels": codes})
    mask = np.zeros(n, np.bool_) if known is None else known
    keys = np.arange(n, dtype=np.uint64)
    rows, pool = np.flatnonzero(mask), np.flatnonzero(~mask)
    if settled.needs_labels and codes is None:
        raise UsageError(f"{strategy} needs the labels of the labelled rows; labels was not given")
    settled.check(_size(signals, len(pool), k, len(rows)))
    if settled.labelled_signals or settled.needs_labels:
        mine = np.full(len(rows), -1) if codes is None else codes[rows]
        about = {name: signals[name][rows] for name in settled.labelled_signals}
        settled.fit(keys[rows], about, mine, _class_count(signals, codes))
    chunks = _chunks(signals, settled.row_signals, pool)
    if settled.strategy.kind == "batch":
        batch = settled.gather(keys[pool], chunks).pick(k)
        return Selection(pool[batch.rows], batch.scores)
    scores = settled.score(keys[pool], chunks)
    best = top(scores, keys[pool], k)
    return Selection(pool[best], scores.values[best])


def top(scores: Floats | Scores, keys: Keys, k: int, *, rows: NDArray[Any] | None = None) -> Rows:
    """Return the positions of the k best, best first; equal scores go to the smaller key.

    Scores are compared exactly: they were rounded when they were settled. One partition finds the k-th best;
    only what is taken is sorted, so it costs O(n + k log k).

    Args:
        scores: (n,), higher first.
        keys: (n,) distinct.
        k: How many; more than there are takes all, 0 or less none.
        rows: Positions to choose among; None for all.

    Raises:
        InputRejected: A score is NaN or infinite; the first are named.
    """
    values, ties = scores if isinstance(scores, Scores) else Scores(scores)
    if rows is not None:
        values, keys = values[rows], keys[rows]
        ties = None if ties is None else ties[rows]
    uncertainty.refuse(~np.isfinite(values), "scores are not finite", lambda i: image_name(int(keys[i])))
    levels = [values, *([] if ties is None else [ties])]
    chosen = _best(levels, keys, min(max(k, 0), len(values)))
    order = np.lexsort((keys[chosen], *(-level[chosen] for level in reversed(levels))))
    chosen = chosen[order]
    return np.asarray(chosen if rows is None else rows[chosen], np.int64)


def _best(levels: list[Floats], keys: Keys, k: int) -> Rows:
    """Return the k best in any order: by the first level, then by the next, then by the smaller key."""
    n = len(keys)
    if k in (0, n):
        return np.arange(k)
    if not levels:
        return np.argpartition(keys, k - 1)[:k]
    threshold = np.partition(levels[0], n - k)[n - k]
    better = np.flatnonzero(levels[0] > threshold)
    equal = np.flatnonzero(levels[0] == threshold)
    rest = _best([level[equal] for level in levels[1:]], keys[equal], k - len(better))
    return np.concatenate([better, equal[rest]])


def _chunks(
    signals: Arrays, names: tuple[str, ...], pool: Rows
) -> Iterator[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]]:
    for start in range(0, len(pool), _CHUNK):
        positions = np.arange(start, min(start + _CHUNK, len(pool)))
        yield positions, {name: signals[name][pool[positions]] for name in names}


def _class_count(signals: Arrays, codes: NDArray[np.int64] | None) -> int:
    labelled = 0 if codes is None else int(codes.max(initial=-1)) + 1
    predicted = signals["probabilities"].shape[1] if "probabilities" in signals else 0
    return max(labelled, predicted)


def _size(signals: Arrays, rows: int, k: int, labelled: int) -> Size:
    widths = {name: values.shape[-1] for name, values in signals.items() if values.ndim > 1}
    classes = widths.get("probabilities", widths.get("mc_probabilities", 0))
    return Size(rows, min(k, rows), labelled, classes, widths.get("embeddings", 0))


def _array(strategy: str, name: str, given: Any) -> NDArray[Any]:
    """Check one keyword of `rank` that is not an option.

    Raises:
        UsageError: There is no such signal, or it is not numbers of the right number of axes.
    """
    options = list(find(strategy).options)
    if name not in _inputs.SIGNALS and name not in _inputs.OF_MODEL:
        known = [*_inputs.SIGNALS, *_inputs.OF_MODEL, *options]
        hint = f"one of: {', '.join(known)}"
        raise UsageError(plugins.unknown(f"argument of {strategy}", name, known), hint=hint)
    values = np.asarray(given)
    axes = _inputs.OF_MODEL.get(name) or "n" + _inputs.SIGNALS[name][0]
    if values.ndim != len(axes) or 0 in values.shape[1:] or values.dtype.kind not in "fiu":
        expected = f"numbers of shape ({', '.join(axes)})"
        raise UsageError(f"{name} must be {expected}; given {values.dtype} of shape {values.shape}")
    return values


def _row_count(arrays: Mapping[str, NDArray[Any] | None]) -> int:
    """Return N, on which all that was given must agree.

    Raises:
        UsageError: Lengths differ, or nothing was given.
    """
    lengths = {name: len(values) for name, values in arrays.items() if values is not None}
    if not lengths:
        raise UsageError("rank cannot tell how many rows there are: give it a signal, or labelled")
    if len(set(lengths.values())) > 1:
        raise UsageError(f"rows differ: {', '.join(f'{name} has {n:,}' for name, n in lengths.items())}")
    return next(iter(lengths.values()))


def _labelling(
    labelled: ArrayLike | None, labels: ArrayLike | None
) -> tuple[NDArray[np.bool_] | None, NDArray[np.int64] | None]:
    """Return the mask of labelled rows, and class codes with -1 for none.

    Raises:
        UsageError: `labelled` is not a vector of booleans, or `labels` not one of integers or strings.
    """
    codes = None if labels is None else _codes(np.asarray(labels))
    if labelled is None:
        return (None if codes is None else codes >= 0), codes
    mask = np.asarray(labelled)
    if mask.ndim != 1 or mask.dtype != np.bool_:
        raise UsageError(f"labelled must be (n,) booleans; given {mask.dtype} of shape {mask.shape}")
    return mask, codes


def _codes(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return class codes: integers as they are, strings by their place in sorted order."""
    if labels.ndim != 1 or labels.dtype.kind not in "iuUO":
        raise UsageError(
            f"labels must be (n,) integers or strings; given {labels.dtype} of shape {labels.shape}",
            hint="-1, None or '' stand for no label",
        )
    if labels.dtype.kind in "iu":
        return np.maximum(labels.astype(np.int64), -1)
    codes = np.full(len(labels), -1)
    strange = [label for label in labels if isinstance(label, (int, np.integer))]
    if strange:
        raise UsageError(
            f"labels must be (n,) integers or strings; given {strange[0]!r} beside None",
            hint="-1 stands for no label among integers, None or '' among strings",
        )
    has = np.array([isinstance(label, str) and label != "" for label in labels], np.bool_)
    codes[has] = np.unique(labels[has].astype(str), return_inverse=True)[1]
    return codes
