"""Greedy coverage as its definition says, for the tests: every gain measured at every pick, in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

GOLDEN = np.array([[0], [0.4], [0.8], [2], [2.3], [5]], np.float32)
SHAPES = ("ball", "rbf", "cosine")


def similarities(reference: Singles, candidates: Singles, shape: str, width: float) -> Floats:
    """κ of every pair, (R, C)."""
    differences = reference[:, None].astype(np.float64) - candidates[None].astype(np.float64)
    distances = np.sqrt((differences**2).sum(axis=2))
    if shape == "ball":
        return (distances < width).astype(np.float64)
    return np.exp(-((distances / width) ** 2)) if shape == "rbf" else np.maximum(1 - distances**2 / 4, 0)


def plain(similarity: Floats, k: int, weights: Floats, covered: Floats) -> tuple[list[int], list[float]]:
    """Greedy: (R, C) similarities, what is covered already -> picks and gains, until nothing is gained."""
    covered, rows, gains = covered.copy(), [], []
    for _ in range(k):
        found = [
            -1.0 if column in rows else round(weights @ np.maximum(similarity[:, column] - covered, 0), 9)
            for column in range(similarity.shape[1])
        ]
        best = int(np.argmax(found))
        if found[best] <= 1e-12 * weights.sum():
            break
        rows.append(best)
        gains.append(float(found[best]))
        covered = np.maximum(covered, similarity[:, best])
    return rows, gains


def points(n: int, d: int, *, clustered: bool, seed: int = 0) -> Singles:
    """Points of length 1; with clusters, few of their directions matter."""
    rng = np.random.default_rng([seed, n, d])
    found = rng.normal(size=(n, d))
    if clustered:
        found = 3 * rng.normal(size=(6, d))[rng.integers(6, size=n)] + found * 0.8 ** np.arange(d)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
