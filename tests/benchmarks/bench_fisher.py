"""Time and peak memory of bait, glister and base, and of plain loops with explicit gradients.

    python tests/benchmarks/bench_fisher.py OUT [--rows 50000] [--k 100]

OUT is the folder that `embeddings.py` filled. The plain loops hold c · d numbers (glister) or c × c · d (bait, rank-c
Woodbury for every image at every pick, as in the authors' code) for each image, so they run on a few rows and a few
picks; their time is scaled to all rows and picks.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from alcli.strategies.bait import bait
from alcli.strategies.base import base
from alcli.strategies.glister import glister
from numpy.typing import NDArray

LABELLED = 1_000
PLAIN = 200  # rows of a plain loop


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came out."""
    start = time.perf_counter()
    found = function()
    return time.perf_counter() - start, found


def plain_bait_step(p: NDArray[Any], h: NDArray[Any]) -> int:
    """One pick: the trace of every image's (c, c) system, out of its explicit factor."""
    c, d = p.shape[1], h.shape[1]
    rows = np.sqrt(p)[:, :, None] * (p[:, None, :] - np.eye(c))  # (n, c, c)
    x = (rows[:, :, :, None] * h[:, None, None, :]).reshape(len(p), c, c * d)
    inverse = np.eye(c * d)
    through = inverse @ (np.eye(c * d) / c) @ inverse
    inner = x @ inverse @ x.transpose(0, 2, 1) + np.eye(c)
    outer = x @ through @ x.transpose(0, 2, 1)
    return int(np.einsum("nii->n", np.linalg.solve(inner, outer)).argmax())


def plain_glister_step(p: NDArray[Any], h: NDArray[Any]) -> int:
    """One pick: explicit gradients of all, and their products with the mean."""
    errors = p - np.eye(p.shape[1])[p.argmax(axis=1)]
    gradients = (errors[:, :, None] * h[:, None, :]).reshape(len(p), -1)
    return int((gradients @ gradients.mean(axis=0)).argmax())


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--k", type=int, default=100)
    given = parser.parse_args()
    n, k = given.rows - LABELLED, given.k
    h = np.load(given.out / "embeddings.npy")[: given.rows].astype(np.float32)
    p = np.load(given.out / "probabilities.npy")[: given.rows]
    labels = np.load(given.out / "labels.npy")[:LABELLED].astype(np.int32)
    about = {"labelled_probabilities": p[:LABELLED], "labelled_embeddings": h[:LABELLED]}
    pool = p[LABELLED:], h[LABELLED:]
    rng = np.random.default_rng(0)
    head = {
        "head_weights": rng.normal(size=(p.shape[1], h.shape[1])),
        "head_bias": rng.normal(size=p.shape[1]),
    }
    few = pool[0][:PLAIN].astype(np.float64), pool[1][:PLAIN].astype(np.float64)
    cases: list[tuple[str, Callable[[], Any], Callable[[], Any] | None, float]] = [
        ("base", lambda: base(pool[1], **head, seed=0, k=k), None, 0),
        ("glister", lambda: glister(*pool, **about, labels=labels, k=k), lambda: plain_glister_step(*few), k),
        ("glister refresh=1", lambda: glister(*pool, **about, labels=labels, k=k, refresh=1), None, 0),
        ("bait width=64", lambda: bait(*pool, **about, k=k, width=64), None, 0),
        ("bait", lambda: bait(*pool, **about, k=k), lambda: plain_bait_step(*few), 2 * k),
    ]
    print(f"{n:,} images, {h.shape[1]} wide, {p.shape[1]} classes, {LABELLED:,} labelled, k = {k:,}")
    for name, ours, plain, picks in cases:
        seconds, _ = timed(ours)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        loop = timed(plain)[0] * picks * n / PLAIN if plain else float("nan")
        print(f"{name:18} {seconds:8.1f} s   plain ≈ {loop:10.0f} s   peak {peak:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
