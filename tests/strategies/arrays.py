"""Signals of a made-up pool, for the tests of strategies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASSES = 5


def signals(n: int, *, seed: int = 0, classes: int = CLASSES) -> dict[str, NDArray[Any]]:
    """Every signal that `score` saves, n rows, as float64."""
    rng = np.random.default_rng(seed)
    triplets = rng.normal(size=(n, 8))
    return {
        "probabilities": rng.dirichlet(np.full(classes, 0.4), size=n),
        "embeddings": rng.normal(size=(n, 6)),
        "triplet_embeddings": triplets / np.linalg.norm(triplets, axis=1, keepdims=True),
        "mc_probabilities": rng.dirichlet(np.full(classes, 0.4), size=(n, 4)),
        "adversarial_distances": rng.exponential(size=n),
        "gradient_lengths": rng.exponential(size=n),
        "cluster_probabilities": rng.dirichlet(np.full(classes, 0.4), size=n),
        "discriminator_scores": rng.logistic(size=n),
    }


def head(*, classes: int = CLASSES, width: int = 6) -> dict[str, NDArray[Any]]:
    """The model's last layer, whose inputs are the embeddings."""
    rng = np.random.default_rng(7)
    return {"head_weights": rng.normal(size=(classes, width)), "head_bias": rng.normal(size=classes)}


def labels(n: int, *, every: int = 4, classes: int = CLASSES) -> NDArray[np.int64]:
    """Class codes of every fourth row or so; -1 for the others."""
    codes = np.full(n, -1)
    codes[::every] = np.arange(len(codes[::every])) % classes
    return codes
