"""What strategies may ask for: the signals that `score` saves, and what follows from them.

An input is a parameter's name. Positional parameters hold one row per image; keyword-only parameters without
a default are about the whole call: `seed`, `k`, `device`, what is known of the labelled images (`labels`,
`classes`, and `labelled_<signal>`), or the model's last layer (`head_weights`, `head_bias`). A derived input
is a function whose own signature says in the same way what it is derived from.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import randomness, uncertainty
from alcli.errors import InputRejected
from alcli.geometry import centres

Floats = NDArray[np.float64]

LABELLED = "labelled_"

# What `score` saves: the axes of one image's entry, and the bytes that it takes.
SIGNALS: dict[str, tuple[str, str]] = {
    "probabilities": ("c", "4·c"),
    "prediction": ("", "4"),
    "confidence": ("", "4"),
    "margin": ("", "4"),
    "entropy": ("", "4"),
    "embeddings": ("d", "2·d"),
    "triplet_embeddings": ("t", "2·t"),
    "mc_probabilities": ("mc", "2·m·c"),
    "adversarial_distances": ("", "8"),
    "gradient_lengths": ("", "8"),
    "cluster_probabilities": ("c", "4·c"),
    "discriminator_scores": ("", "4"),
}
# Those that are computed for the candidates only, by differentiating the network.
PROBED = {"adversarial_distances", "gradient_lengths"}
# The axes of what is read from the model itself: its last layer, whose inputs are the embeddings.
OF_MODEL = {"head_weights": "cd", "head_bias": "c"}
_GIVEN = {"keys", "seed", "k", "device", "labels", "classes"}  # known without reading a signal


def _uniform(keys: NDArray[np.uint64], *, seed: int) -> Floats:
    return randomness.uniform(seed, "random", keys)


def _triplet_centres(
    *, labelled_triplet_embeddings: Floats, labels: NDArray[Any], classes: int
) -> centres.Centres:
    return centres.centres_of(labelled_triplet_embeddings, labels, classes)


def _triplet_nearest(triplet_embeddings: Floats, *, triplet_centres: centres.Centres) -> centres.Nearest:
    return centres.nearest(triplet_embeddings, triplet_centres)


def _triplet_distances(triplet_nearest: centres.Nearest) -> Floats:
    return np.stack([triplet_nearest.first, triplet_nearest.second], axis=1)  # (n, 2)


def _triplet_prediction(triplet_nearest: centres.Nearest) -> NDArray[np.int32]:
    return triplet_nearest.labels


DERIVED: dict[str, Callable[..., Any]] = {
    "prediction": uncertainty.prediction,
    "confidence": uncertainty.confidence,
    "margin": uncertainty.margin,
    "entropy": uncertainty.entropy,
    "uniform": _uniform,
    "triplet_centres": _triplet_centres,
    "triplet_nearest": _triplet_nearest,
    "triplet_distances": _triplet_distances,
    "triplet_prediction": _triplet_prediction,
}


@functools.cache
def parameters(function: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of a function's inputs: those with a row per image, and those about the whole call."""
    found = inspect.signature(function).parameters.values()
    return (
        tuple(p.name for p in found if p.kind is not p.KEYWORD_ONLY),
        tuple(p.name for p in found if p.kind is p.KEYWORD_ONLY and p.default is p.empty),
    )


def sources(name: str, available: Collection[str]) -> list[str]:
    """Return what input `name` is taken from: itself if it is saved, else what it is derived from.

    The narrowest way is taken: 4 bytes of `margin` before 4·c bytes of `probabilities`. If nothing suffices,
    the narrowest signal that `score` could save is returned.
    """
    if name in available or name in _GIVEN or name in OF_MODEL or name.startswith(LABELLED):
        return [name]
    if name in DERIVED:
        found = all_sources(DERIVED[name], available)
        if name not in SIGNALS or all(source in available for source in found):
            return found
    return [name]


def all_sources(function: Callable[..., Any], available: Collection[str]) -> list[str]:
    """Return what all inputs of `function` are taken from, each once."""
    by_row, about = parameters(function)
    return list(dict.fromkeys(source for name in by_row + about for source in sources(name, available)))


def about_labelled(function: Callable[..., Any], available: Collection[str]) -> list[str]:
    """Return what `function`, and what its inputs derive from, ask for that is made of the labelled rows."""
    by_row, about = parameters(function)
    others = (_GIVEN | set(OF_MODEL)) - {"labels", "classes"}
    found = [name for name in about if name not in others]
    for name in by_row:
        if name in DERIVED and name not in available:
            found += about_labelled(DERIVED[name], available)
    return list(dict.fromkeys(found))


def call(function: Callable[..., Any], known: dict[str, Any], **options: Any) -> Any:
    """Call `function` with the inputs that its signature asks for; what is derived is kept in `known`."""
    by_row, about = parameters(function)
    return function(
        *(value(name, known) for name in by_row), **{name: value(name, known) for name in about}, **options
    )


def value(name: str, known: dict[str, Any]) -> Any:
    """Return one input out of `known`, or derive it."""
    if name not in known:
        known[name] = call(DERIVED[name], known)
    return known[name]


def prepared(name: str, values: NDArray[Any], row: Callable[[int], str]) -> NDArray[Any]:
    """Check a signal, and copy it to one row-major block of float64 (`prediction`: int32).

    So a strategy cannot change its caller's array, and what it computes for a row depends on neither the
    precision in which the rows lie in memory nor their layout.

    Raises:
        InputRejected: A row holds NaN or infinity, or probabilities that do not sum to 1; there is a single
            stochastic pass.
    """
    name = name.removeprefix(LABELLED)
    if name == "mc_probabilities" and values.shape[1] < 2:
        raise InputRejected(
            f"mc_probabilities hold {values.shape[1]} pass per image; disagreement needs at least 2",
            hint="alcli score --mc-samples 20 POOL",
        )
    if name.endswith("probabilities"):
        return uncertainty.normalised(values, name=name, row=row)
    if name == "prediction":
        return np.array(values, np.int32, order="C")
    copy = np.array(values, np.float64, order="C")
    uncertainty.refuse(~np.isfinite(copy), f"{name} are not finite", row)
    return copy


def narrowed(values: NDArray[Any]) -> NDArray[Any]:
    """Return matrices in float32, in which batch strategies compute; vectors as they are."""
    return values.astype(np.float32) if values.ndim > 1 else values


def needs(function: Callable[..., Any]) -> list[str]:
    """Say in words what inputs `function` needs, each with its alternative."""
    found: list[str] = []
    for name in all_sources(function, SIGNALS):
        if name in ("labels", *OF_MODEL, *SIGNALS):
            wider = all_sources(DERIVED[name], SIGNALS) if name in DERIVED else []
            found.append(" or ".join([name, *wider]))
    return found


def width(names: Iterable[str]) -> str:
    """Say how many bytes of the signals `names` are read for each image."""
    return " + ".join(SIGNALS[name][1] for name in names) or "0"
