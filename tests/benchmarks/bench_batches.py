"""Time and peak memory of every batch strategy through `alcli.rank`, on real and on synthetic embeddings.

    python tests/benchmarks/bench_batches.py OUT [--k 500] [--rows 1000000] [--only kcenter,badge] [--limit 600]

OUT is the folder of `embeddings.py`: 50,000 × 512 of a small CNN, 10 classes. The synthetic pool, made beside it, is
1,000,000 × 256 of 1,000 Gaussian clusters in 10 classes, each row a point of its cluster with noise. 1,000 rows are
labelled. Every run is a process of its own; memory is the peak of the process less what it held once the arrays, float16
as `score` saves them, were read. A run that takes longer than --limit seconds is stopped and said to be.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import alcli
import numpy as np
from alcli.ranking import find
from numpy.typing import NDArray

LABELLED, CLASSES = 1_000, 10
WIDTH, CLUSTERS = 256, 1_000


def made(folder: Path, rows: int) -> Path:
    """Write the synthetic pool where it is not there yet."""
    place = folder / f"synthetic-{rows}"
    if not (place / "labels.npy").exists():
        place.mkdir(exist_ok=True)
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(CLUSTERS, WIDTH)).astype(np.float32)
        towards = rng.normal(size=(WIDTH, CLASSES)).astype(np.float32) / np.sqrt(WIDTH)
        cluster = rng.integers(CLUSTERS, size=rows)
        embeddings = np.lib.format.open_memmap(
            place / "embeddings.npy", mode="w+", dtype=np.float16, shape=(rows, WIDTH)
        )
        probabilities = np.empty((rows, CLASSES), np.float32)
        for start in range(0, rows, 50_000):
            part = slice(start, start + 50_000)
            noise = rng.normal(size=(len(cluster[part]), WIDTH)).astype(np.float32)
            points = centres[cluster[part]] + 0.5 * noise
            embeddings[part] = points
            logits = 2 * points @ towards
            logits -= logits.max(axis=1, keepdims=True)
            probabilities[part] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.save(place / "probabilities.npy", probabilities)
        np.save(place / "labels.npy", (cluster % CLASSES).astype(np.int64))
    return place


def arrays(folder: Path, strategy: str) -> dict[str, Any]:
    """Read what the strategy needs."""
    embeddings = np.load(folder / "embeddings.npy")
    probabilities = np.load(folder / "probabilities.npy")
    labels = np.full(len(embeddings), -1)
    labels[:LABELLED] = np.load(folder / "labels.npy")[:LABELLED]
    needs = find(strategy).needs
    given: dict[str, Any] = {"labels": labels}
    if "embeddings" in needs:
        given["embeddings"] = embeddings
    if "probabilities" in needs.replace("mc_probabilities", ""):
        given["probabilities"] = probabilities
    if "mc_probabilities" in needs:
        rng = np.random.default_rng(0)
        noisy = probabilities[:, None] * rng.uniform(0.5, 1.5, (len(probabilities), 10, CLASSES))
        given["mc_probabilities"] = (noisy / noisy.sum(axis=2, keepdims=True)).astype(np.float16)
    if "head_weights" in needs:
        given |= head(embeddings, probabilities)
    return given


def head(embeddings: NDArray[Any], probabilities: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Fit a last layer by least squares to the logits of the first rows."""
    points = np.column_stack([embeddings[:5_000].astype(np.float64), np.ones(len(embeddings[:5_000]))])
    logits = np.log(np.maximum(probabilities[:5_000], 1e-6))
    found = np.linalg.lstsq(points, logits, rcond=None)[0].T
    return {"head_weights": found[:, :-1], "head_bias": found[:, -1]}


def measure(folder: Path, strategy: str, k: int) -> None:
    """Run one strategy in this process; print seconds, CPU seconds and MiB."""
    given = arrays(folder, strategy)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    found = alcli.rank(strategy, k=k, **given)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    rows = len(given["labels"])
    print(
        f"{strategy:18} {rows:>9,} rows  k = {len(found.rows):,}  {wall:8.1f} s  {cpu:8.1f} CPU s  {peak:7,.0f} MiB"
    )


def main() -> None:
    """Run every strategy on both pools."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--k", type=int, default=500)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the synthetic pool; 0 for none")
    parser.add_argument("--only", default="", help="strategies; comma between")
    parser.add_argument("--skip-real", action="store_true")
    parser.add_argument("--limit", type=int, default=600)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        measure(given.folder, given.child, given.k)
        return
    names = (
        given.only.split(",") if given.only else [n for n in alcli.strategies() if find(n).kind == "batch"]
    )
    pools = [] if given.skip_real else [given.folder]
    pools += [made(given.folder, given.rows)] if given.rows else []
    for pool in pools:
        for name in names:
            command = [sys.executable, __file__, str(pool), "--child", name, "--k", str(given.k)]
            try:
                done = subprocess.run(
                    command, timeout=given.limit, capture_output=True, text=True, check=False
                )
            except subprocess.TimeoutExpired:
                print(f"{name:18} {pool.name}: not done after {given.limit} s", flush=True)
                continue
            said = done.stderr.strip().splitlines()[-1:]
            print(
                done.stdout.strip() or f"{name:18} {pool.name}: {said[0] if said else done.returncode}",
                flush=True,
            )


if __name__ == "__main__":
    main()
