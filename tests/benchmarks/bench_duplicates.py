"""Time and peak memory of grouping near duplicates, and of the plain loop over representatives.

    python tests/benchmarks/bench_duplicates.py OUT [--rows 1000000]

OUT is the folder that `embeddings.py` filled. Planted near duplicates, a tenth of all rows, are embeddings with noise. The
plain loop, one matrix-vector product for each image, runs on the first rows only; the same groups are checked.
The synthetic pool has 1,000 clusters, 256 wide.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from alcli.geometry import duplicates
from numpy.typing import NDArray

PLAIN = 5_000
THRESHOLDS = (0.97, 0.995, 0.9999)


def planted(points: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Replace a tenth of the rows by noisy copies of other rows."""
    n, d = points.shape
    at = rng.choice(n, n // 10, replace=False)
    source = points[rng.integers(n, size=len(at))]
    lengths = np.linalg.norm(source, axis=1, keepdims=True) * (0.1 / np.sqrt(d))
    points[at] = source + lengths * rng.standard_normal((len(at), d), np.float32)
    return points


def clusters(n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Points around 1,000 centres, as far from them as these are from the origin."""
    points = rng.standard_normal((n, 256), np.float32)
    points += rng.standard_normal((1_000, 256), np.float32)[rng.integers(1_000, size=n)]
    return planted(points, rng)


def plain(points: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """One product of each image with all representatives so far."""
    unit = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    representative = np.arange(len(unit))
    held, rows = np.empty_like(unit), np.empty(len(unit), np.int64)
    count = 0
    for i, x in enumerate(unit):
        near = held[:count] @ x >= threshold
        if near.any():
            representative[i] = rows[near.argmax()]
        else:
            held[count], rows[count] = x, i
            count += 1
    return representative


def report(what: str, points: NDArray[np.float32], threshold: float) -> None:
    start = time.perf_counter()
    expected = plain(points[:PLAIN], threshold)
    loop = time.perf_counter() - start
    same = (duplicates.groups(points[:PLAIN], threshold=threshold).representative == expected).all()
    start = time.perf_counter()
    found = duplicates.groups(points, threshold=threshold)
    seconds = time.perf_counter() - start
    alone = int((found.representative == np.arange(len(points))).sum())
    loop *= (len(points) / PLAIN) ** 2 if alone > len(points) / 2 else len(points) / PLAIN
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sizes = f"{len(points):>9,} × {points.shape[1]:<4} {threshold:<7} {alone:>9,} groups"
    print(
        f"{what:10} {sizes} {seconds:8.1f} s   plain ≈ {loop:9.0f} s   same: {same}   peak {peak:.2f} GB",
        flush=True,
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    real = planted(np.load(given.out / "embeddings.npy").astype(np.float32), rng)
    for threshold in THRESHOLDS:
        report("real", real, threshold)
    report("clusters", clusters(given.rows, rng), 0.97)


if __name__ == "__main__":
    main()
