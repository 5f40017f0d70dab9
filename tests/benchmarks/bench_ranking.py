"""Rows per second and extra memory of strategies over a pool that is read in chunks.

    python tests/benchmarks/bench_ranking.py [--rows 1000000]

Chunks of 16,384 rows stand for the parts of a signal store; one chunk is reused, so what is measured is
ranking, not reading. The baseline is one `np.partition` of as many scores.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from alcli.ranking import Plan, plan, top
from numpy.typing import NDArray

CHUNK = 16_384
K = 5_000
CASES = [
    ("margin", "margin", ()),
    ("margin", "probabilities", (10,)),
    ("entropy", "probabilities", (10,)),
    ("margin", "probabilities", (1000,)),
    ("entropy", "probabilities", (1000,)),
    ("bald", "mc_probabilities", (20, 10)),
    ("mc-variation-ratio", "mc_probabilities", (20, 10)),
    ("triplet-margin", "triplet_embeddings", (128, 10)),
    ("triplet-margin", "triplet_embeddings", (128, 1000)),
    ("random", "", ()),
]


def chunk_of(signal: str, shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """One chunk of a signal as the store keeps it."""
    if signal.endswith("probabilities"):
        narrow = np.float16 if signal.startswith("mc") else np.float32
        return {signal: rng.dirichlet(np.full(shape[-1], 0.3), size=(CHUNK, *shape[:-1])).astype(narrow)}
    if signal == "triplet_embeddings":
        return {signal: rng.normal(size=(CHUNK, shape[0])).astype(np.float16)}
    return {signal: rng.random(CHUNK, np.float32)} if signal else {}


def prepared(name: str, signal: str, shape: tuple[int, ...], rng: np.random.Generator) -> Plan:
    """The plan, with centres of as many classes as the case says."""
    ready = plan(name, [signal])
    if ready.labelled_signals:
        points = rng.normal(size=(shape[1], shape[0]))
        ready.fit(np.arange(shape[1], dtype=np.uint64), {signal: points}, np.arange(shape[1]), shape[1])
    return ready


def measured(function: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and the peak of new memory in MB."""
    tracemalloc.start()
    start = time.perf_counter()
    function()
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    n = parser.parse_args().rows
    rng = np.random.default_rng(0)
    keys = rng.permutation(n).astype(np.uint64)
    plain = rng.random(n)
    base, _ = measured(lambda: np.partition(plain, n - K)[n - K])
    print(f"{n:,} rows; one np.partition of {n:,} scores: {base:.3f} s")
    for name, signal, shape in CASES:
        arrays = chunk_of(signal, shape, rng)
        ready = prepared(name, signal, shape, rng)

        def run(ready: Plan = ready, arrays: dict[str, NDArray[Any]] = arrays) -> None:
            starts = range(0, n, CHUNK)
            chunks = (
                (np.arange(s, min(s + CHUNK, n)), {key: values[: n - s] for key, values in arrays.items()})
                for s in starts
            )
            top(ready.score(keys, chunks), keys, K)

        seconds, peak = measured(run)
        what = f"{name} from {signal or 'nothing'} {shape or ''}"
        speed = f"{n / seconds:12,.0f} rows/s = {seconds / base:6.1f} partitions"
        print(f"{what:55} {speed}  {peak:7.1f} MB extra")


if __name__ == "__main__":
    main()
