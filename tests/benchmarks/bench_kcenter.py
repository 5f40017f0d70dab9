"""Greedy k-center: ours, the plain loop and scikit-activeml, in one run on the same arrays.

    python tests/benchmarks/bench_kcenter.py OUT [--rows 1000000] [--runs 3] [--threads 2]

OUT is what `embeddings.py` wrote. On its embeddings: 200 labelled, k = 2,000 against the plain loop, one float32
matrix-vector product per pick over centred embeddings, and against the same in float64, whose picks ours are; and
k = 500 against `CoreSet` and `k_greedy_center` of scikit-activeml, where it is installed. Then uniform noise of the
same size, which pruning cannot help, and ROWS x 256 synthetic clusters; `--rows 0` leaves these out. Each run is a
process of its own; memory is the peak of what numpy allocated beside the arrays. The fastest of the runs counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from alcli.strategies.kcenter import kcenter
from numpy.typing import NDArray

LABELLED = 200
Singles = NDArray[np.float32]
Picks = NDArray[np.int64]


def ours(pool: Singles, labelled: Singles, k: int) -> Picks:
    """What is shipped."""
    return kcenter(pool, labelled_embeddings=labelled, k=k, device="cpu").rows


def plain(pool: Singles, labelled: Singles, k: int, dtype: type = np.float32) -> Picks:
    """One matrix-vector product per centre, over all rows."""
    middle = pool.mean(axis=0, dtype=np.float64)
    rows, centres = (pool - middle).astype(dtype), (labelled - middle).astype(dtype)
    squares = np.einsum("ij,ij->i", rows, rows)
    best: NDArray[np.floating] = np.full(len(rows), np.inf, dtype)
    for centre in centres:
        np.minimum(best, squares + centre @ centre - 2 * (rows @ centre), out=best)
    picks = np.empty(k, np.int64)
    for number in range(k):
        row = picks[number] = best.argmax()
        np.minimum(best, squares + squares[row] - 2 * (rows @ rows[row]), out=best)
        best[row] = -1
    return picks


def plain64(pool: Singles, labelled: Singles, k: int) -> Picks:
    """The plain loop in float64."""
    return plain(pool, labelled, k, np.float64)


def peer(pool: Singles, labelled: Singles, k: int) -> Picks:
    """scikit-activeml's strategy, as its users call it."""
    from skactiveml.pool import CoreSet

    return np.asarray(CoreSet(random_state=0).query(*_as_peer(pool, labelled), batch_size=k))


def peer_function(pool: Singles, labelled: Singles, k: int) -> Picks:
    """The function below it."""
    from skactiveml.pool import k_greedy_center

    return np.asarray(k_greedy_center(*_as_peer(pool, labelled), batch_size=k, random_state=0)[0])


def _as_peer(pool: Singles, labelled: Singles) -> tuple[Singles, NDArray[np.float64]]:
    labels = np.concatenate([np.full(len(pool), np.nan), np.zeros(len(labelled))])
    return np.concatenate([pool, labelled]), labels


METHODS: dict[str, Callable[[Singles, Singles, int], Picks]] = {
    "ours": ours,
    "plain": plain,
    "plain64": plain64,
    "CoreSet": peer,
    "k_greedy_center": peer_function,
}


def read(source: str) -> tuple[Singles, Singles]:
    """Return pool and labelled: real embeddings in a folder, `noise`, or synthetic clusters of so many rows."""
    if Path(source).is_dir():
        rows = np.load(Path(source) / "embeddings.npy").astype(np.float32)
        chosen = np.zeros(len(rows), np.bool_)
        chosen[np.random.default_rng(0).choice(len(rows), LABELLED, replace=False)] = True
        return rows[~chosen], rows[chosen]
    rng = np.random.default_rng(0)
    if source == "noise":
        rows = rng.random((50_000, 512), np.float32)
        return rows[LABELLED:], rows[:LABELLED]
    middles = 2 * rng.standard_normal((1000, 256), np.float32)
    rows = np.empty((int(source), 256), np.float32)
    for start in range(0, len(rows), 10_000):
        block = rows[start : start + 10_000]
        rng.standard_normal(out=block, dtype=np.float32)
        block += middles[rng.integers(1000, size=len(block))]
    return rows[LABELLED:], rows[:LABELLED]


def measure(method: str, source: str, k: int, out: Path) -> None:
    """Run once in this process; print seconds and MiB."""
    warnings.simplefilter("ignore")
    pool, labelled = read(source)
    METHODS[method](pool[:500], labelled, 5)  # imports
    tracemalloc.start()
    start = time.perf_counter()
    picks = METHODS[method](pool, labelled, k)
    seconds = time.perf_counter() - start
    np.save(out, picks)
    print(seconds, tracemalloc.get_traced_memory()[1] / 2**20)


def compare(source: str, k: int, methods: list[str], runs: int, threads: int) -> None:
    """Print a line per method; the first is what the others are compared with."""
    print(f"\n{source}, {LABELLED} labelled, k = {k:,}")
    first: tuple[float, Picks] | None = None
    out = Path(os.environ.get("TMPDIR", "/tmp")) / f"bench-kcenter-{os.getpid()}.npy"  # noqa: S108 (own name)
    for method in methods:
        command = [sys.executable, __file__, source, "--measure", method, "--k", str(k), "--picks", str(out)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
        lines = [
            subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            ).stdout.split()
            for _ in range(runs)
        ]
        seconds, memory = min(float(line[0]) for line in lines), max(float(line[1]) for line in lines)
        picks = np.load(out)
        first = first or (seconds, picks)
        same = int((picks == first[1]).sum())
        print(
            f"  {method:16} {seconds:8.2f} s {seconds / first[0]:7.1f} x  {memory:7.0f} MiB beside the arrays  "
            f"{same:,} of {k:,} picks in the same place, {len(np.intersect1d(picks, first[1])):,} in any"
        )
    out.unlink()


def main() -> None:
    """Compare, in processes of their own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--k", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--picks", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.out, given.k, given.picks)
        return
    peers = ["CoreSet", "k_greedy_center"] if importlib.util.find_spec("skactiveml") else []
    compare(given.out, 2_000, ["ours", "plain", "plain64"], given.runs, given.threads)
    compare(given.out, 500, ["ours", "plain", *peers], given.runs, given.threads)
    compare("noise", 500, ["ours", "plain"], given.runs, given.threads)
    if given.rows:
        compare(str(given.rows), 2_000, ["ours"], 1, given.threads)
        compare(str(given.rows), 200, ["ours", "plain"], 1, given.threads)


if __name__ == "__main__":
    main()
