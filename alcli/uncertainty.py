"""What class probabilities say about how sure a model is: the scalars that `score` saves and strategies read.

Every function works on each row by itself, in float64, so its bits do not depend on which rows come together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli.errors import InputRejected

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Name = Callable[[int], str]

SUM_TOLERANCE = 1e-3  # float16 keeps every probability within a factor of 1 ± 2⁻¹¹, so sums stay within this
SMALLEST_FLOAT16 = 2.0**-24  # and loses up to half of this where a probability is very small
_LEAST = 1e-30  # what stands for a probability of 0 where a logarithm is to be tempered
_BLOCK_VALUES = 2**17  # 1 MiB of float64: what one block works on stays in the processor's cache


def blocks(rows: int, values_per_row: int) -> Iterator[slice]:
    """Cut `rows` rows of `values_per_row` numbers into blocks that keep temporary arrays small."""
    step = max(1, _BLOCK_VALUES // max(1, values_per_row))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def normalised(
    probabilities: NDArray[Any], *, name: str = "probabilities", row: Name = "row {}".format
) -> Floats:
    """Copy probabilities to float64 and scale them to sum to 1 exactly, as far as float64 goes.

    Args:
        probabilities: (n, …, c), each ≥ 0; sums over c may be off by 1e-3 (rounding, float16).
        name: What to call them in the message.
        row: Names row i in the message.

    Raises:
        InputRejected: A row holds NaN, infinity or a negative number, or does not sum to 1.
    """
    copy = np.array(probabilities, np.float64, order="C")
    with np.errstate(invalid="ignore"):  # inf - inf, found right below
        sums = copy.sum(axis=-1, keepdims=True)
    slack = SUM_TOLERANCE
    if probabilities.dtype == np.float16:
        slack += copy.shape[-1] * SMALLEST_FLOAT16
    refuse(~np.isfinite(sums), f"{name} are NaN or infinite", row)
    refuse(np.abs(sums - 1) > slack, f"{name} do not sum to 1", row)
    if copy.min(initial=0) < 0:
        refuse(copy < 0, f"{name} are negative", row)
    copy /= sums
    return copy


def refuse(wrong: NDArray[np.bool_], what: str, row: Name) -> None:
    """Reject rows that have an entry marked in `wrong`, (n, …).

    Raises:
        InputRejected: There is one; the first ten are named.
    """
    if not wrong.any():
        return
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    names = [row(int(i)) for i in rows[:10]]
    more = f", {names[1]}{' and more' if len(names) > 2 else ''}" if len(names) > 1 else ""
    raise InputRejected(f"{what}: {names[0]}{more}", details=names)


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """Divide the logarithms of probabilities by a temperature: above 1 it makes them more even, below 1 less.

    Args:
        probabilities: (n, c); below 1e-30 they count as 1e-30, as in cleanlab.
        temperature: Above 0.

    Returns:
        (n, c) rows that sum to 1; at temperature 1 the probabilities themselves.
    """
    if temperature == 1:
        return probabilities
    powers = logarithms(probabilities)
    powers /= temperature
    powers -= powers.max(axis=1, keepdims=True)
    np.exp(powers, out=powers)
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def logarithms(probabilities: Floats) -> Floats:
    """Return ln p in nats, finite: p below 1e-30 counts as 1e-30; of any shape."""
    return np.asarray(np.log(np.maximum(probabilities, _LEAST)))


def prediction(probabilities: NDArray[Any]) -> Codes:
    """Return the likeliest class of each row, the lowest one of equals; (n, c) -> (n,)."""
    return np.asarray(np.argmax(probabilities, axis=-1), np.int32)


def confidence(probabilities: Floats) -> Floats:
    """Return the largest probability, p1; (n, c) -> (n,) in [1/c, 1]."""
    return np.asarray(probabilities.max(axis=-1))


def margin(probabilities: Floats) -> Floats:
    """Return the distance of the two largest probabilities, p1 - p2; (n, c) -> (n,) in [0, 1].

    With a single class p2 is 0.
    """
    rest = probabilities.copy()
    best = np.argmax(rest, axis=-1)[..., None]
    first = np.take_along_axis(rest, best, axis=-1)[..., 0]
    np.put_along_axis(rest, best, 0, axis=-1)
    return np.asarray(first - rest.max(axis=-1))


def entropy(probabilities: Floats) -> Floats:
    """Return Shannon's entropy -Σ p ln p in nats; (…, c) -> (…) in [0, ln c].

    A probability of 0 contributes 0, its limit: peers that leave 0 · ln 0 as NaN pick such rows first.
    """
    terms = np.log(
        np.maximum(probabilities, np.finfo(np.float64).tiny)
    )  # of 0 finite, so that 0 times it is 0
    terms *= probabilities
    return np.asarray(np.maximum(-terms.sum(axis=-1), 0))


def scalars(probabilities: NDArray[Any], *, row: Name = "row {}".format) -> dict[str, NDArray[Any]]:
    """Return what `score` saves beside probabilities, so that most strategies need not read these.

    Args:
        probabilities: (n, c), of any float type; rows sum to 1 within 1e-3.
        row: Names row i in the message.

    Returns:
        `prediction` (int32 code of the likeliest class), `confidence`, `margin` and `entropy` (float32), each
        (n,).

    Raises:
        InputRejected: See `normalised`.
    """
    n, c = probabilities.shape
    found: dict[str, NDArray[Any]] = {
        "prediction": np.empty(n, np.int32),
        "confidence": np.empty(n, np.float32),
        "margin": np.empty(n, np.float32),
        "entropy": np.empty(n, np.float32),
    }
    for block in blocks(n, c):
        rows = normalised(probabilities[block], row=_shifted(row, block.start))
        for name, function in _SCALARS.items():
            found[name][block] = function(rows)
    return found


def _shifted(row: Name, start: int) -> Name:
    return lambda i: row(start + i)


_SCALARS: dict[str, Callable[[Floats], NDArray[Any]]] = {
    "prediction": prediction,
    "confidence": confidence,
    "margin": margin,
    "entropy": entropy,
}
