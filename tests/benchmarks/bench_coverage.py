"""Seconds and peak memory of the four coverage strategies, beside plain greedy and apricot.

    python tests/benchmarks/bench_coverage.py OUT [--rows 1000000] [--picks 500 2000] [--plain 5000]

OUT is what tests/benchmarks/embeddings.py wrote: real embeddings and probabilities, of which the first 200
rows are labelled. The synthetic pool has 1,000 clusters of width 256. Each run has a process of its own, so
that its peak memory is its own. Plain greedy (the same kernel, recomputed in blocks, every gain measured at
every pick) and apricot run on the first `--plain` rows with `--plain-picks` picks, after ours on the same.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from alcli import uncertainty
from alcli.geometry import distances
from alcli.geometry.coverage import Kernel, maximise
from alcli.strategies.facility_location import facility_location
from alcli.strategies.maxherding import maxherding
from alcli.strategies.probcover import probcover
from alcli.strategies.uherding import uherding
from numpy.typing import NDArray

LABELLED = 200
STRATEGIES: dict[str, Callable[..., Any]] = {
    "maxherding": maxherding,
    "uherding": uherding,
    "probcover": probcover,
    "facility-location": facility_location,
}


def real(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Embeddings and probabilities of the pool."""
    rows = np.load(folder / "embeddings.npy").astype(np.float32)
    return rows, np.load(folder / "probabilities.npy").astype(np.float64)


def synthetic(n: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Clusters, filled in blocks so that the peak is what the strategies add."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(1_000, 256)).astype(np.float32)
    rows = rng.standard_normal((n, 256), np.float32)
    rows *= 0.3
    for first in range(0, n, 10_000):
        part = rows[first : first + 10_000]
        part += centres[rng.integers(1_000, size=len(part))]
    return rows, rng.dirichlet(np.full(10, 0.3), size=n)


def measured(pool: tuple[NDArray[np.float32], NDArray[np.float64]], name: str, k: int) -> str:
    """One run in a process of its own."""
    context = multiprocessing.get_context("fork")  # inherits the pool instead of pickling it
    answers = context.SimpleQueue()
    child = context.Process(target=lambda: answers.put(_run(pool, name, k)))
    child.start()
    answer: str = answers.get()
    child.join()
    return answer


def _run(pool: tuple[NDArray[np.float32], NDArray[np.float64]], name: str, k: int) -> str:
    rows, probabilities = pool
    labelled, rest = rows[:LABELLED], rows[LABELLED:]
    about: dict[str, Any] = {"labelled_embeddings": labelled, "k": k, "seed": 0, "device": "cpu"}
    inputs: list[Any] = [rest]
    if name == "uherding":
        of = probabilities[LABELLED:]
        inputs += [uncertainty.margin(of), uncertainty.confidence(of), uncertainty.entropy(of)]
    if name == "probcover":
        about["classes"] = probabilities.shape[1]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    batch = STRATEGIES[name](*inputs, **about)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    extra = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
    quality = ", ".join(f"{key} {value:.4g}" for key, value in batch.quality.items())
    return f"{seconds:8.1f} s ({cpu:7.1f} s of processors)  {extra:8.0f} MB extra  {quality}"


def plain(rows: NDArray[np.float32], k: int, width: float) -> list[int]:
    """Greedy without laziness: all gains at every pick, the kernel in blocks."""
    covered = np.zeros(len(rows), np.float32)
    picks: list[int] = []
    for _ in range(k):
        gains = np.empty(len(rows))
        for first in range(0, len(rows), 1_000):
            values = distances.between(rows[first : first + 1_000], rows)
            values *= -1 / width**2
            np.exp(values, out=values)
            values -= covered
            gains[first : first + 1_000] = np.maximum(values, 0, out=values).sum(axis=1, dtype=np.float64)
        gains[picks] = -1
        picks.append(int(gains.argmax()))
        row = np.exp(-distances.between(rows[picks[-1:]], rows)[0] / width**2)
        np.maximum(covered, row, out=covered)
    return picks


def compare(rows: NDArray[np.float32], k: int) -> None:
    """Ours, plain greedy and apricot on the same rows."""
    rows = distances.unit(rows)
    start = time.perf_counter()
    ours = maximise(rows, rows, k, kernel=Kernel("rbf"))
    base = time.perf_counter() - start
    print(f"{len(rows):,} rows, k = {k}: ours {base:.2f} s, {ours.measured:,} gains measured exactly")
    start = time.perf_counter()
    picks = plain(rows, k, 1.0)
    seconds = time.perf_counter() - start
    same = np.mean(np.array(picks) == ours.rows)
    print(f"  plain greedy {seconds:.2f} s = {seconds / base:.1f} times ours; {same:.0%} of the picks equal")
    try:
        from apricot import FacilityLocationSelection
    except ImportError:
        return
    FacilityLocationSelection(2, metric="precomputed").fit(np.eye(9))  # compiles
    start = time.perf_counter()
    kernel = np.exp(-distances.between(rows, rows)).astype(np.float64)
    peer = FacilityLocationSelection(k, metric="precomputed").fit(kernel)
    seconds = time.perf_counter() - start
    same = np.mean(peer.ranking == ours.rows)
    held = kernel.nbytes / 1e6
    print(
        f"  apricot {seconds:.2f} s = {seconds / base:.1f} times ours; {same:.0%} equal; {held:.0f} MB kernel"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--picks", type=int, nargs="+", default=[500, 2_000])
    parser.add_argument("--plain", type=int, default=5_000)
    parser.add_argument("--plain-picks", type=int, default=200)
    given = parser.parse_args()
    pool = real(given.folder)
    compare(pool[0][: given.plain], given.plain_picks)
    for label, make in (("real", lambda: pool), ("synthetic", lambda: synthetic(given.rows))):
        data = make()
        print(f"{label}: {len(data[0]):,} × {data[0].shape[1]}, {LABELLED} labelled")
        for name in STRATEGIES:
            for k in given.picks:
                print(f"  {name:18} k = {k:<6,} {measured(data, name, k)}", flush=True)


if __name__ == "__main__":
    main()
