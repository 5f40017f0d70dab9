"""Time and peak memory of the strategies that cluster, on real and on synthetic embeddings.

OUT is the folder of `embeddings.py`: 50,000 × 512 of a small CNN, whose last layer is fitted here by least squares.
The synthetic pool is 1,000,000 × 256 of 1,000 Gaussian clusters. Every run is a process of its own; memory counts
what the pool takes, which is shown beside it. The plain loops are k-means of scikit-learn on one thread, as it takes
to give the same bits on every run, and scikit-activeml's TypiClust, on the 3,000 rows that it finishes.

    python tests/benchmarks/bench_clusters.py OUT [--k 500] [--rows 1000000] [--only typiclust,kmeans]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from alcli.geometry import distances
from alcli.ranking import find
from alcli.strategies import _inputs
from numpy.typing import NDArray

STRATEGIES = ["kmeans", "typiclust", "cluster-margin", "tcal", "dropquery"]
LABELLED = 200
SMALL = 3_000
SMALL_K = 50


def real(folder: Path) -> dict[str, Any]:
    """Signals of the real pool, and a last layer that fits them."""
    embeddings = np.load(folder / "embeddings.npy").astype(np.float32)
    probabilities = np.load(folder / "probabilities.npy")
    two = np.sort(probabilities.astype(np.float64), axis=1)[:, -2:]
    logits = np.log(np.maximum(probabilities[:5_000].astype(np.float64), 1e-9))
    inputs = np.column_stack([embeddings[:5_000], np.ones(5_000, np.float32)]).astype(np.float64)
    fitted = np.linalg.lstsq(inputs, logits, rcond=None)[0].T
    head = {"head_weights": fitted[:, :-1].astype(np.float32), "head_bias": fitted[:, -1].astype(np.float32)}
    return {"embeddings": embeddings, "margin": two[:, 1] - two[:, 0], **head}


def synthetic(rows: int) -> dict[str, Any]:
    """Signals of a made-up pool of 1,000 clusters."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((1_000, 256), dtype=np.float32)
    embeddings = rng.standard_normal((rows, 256), dtype=np.float32)
    embeddings *= 0.7
    for start in range(0, rows, 10_000):
        embeddings[start : start + 10_000] += centres[rng.integers(1_000, size=min(10_000, rows - start))]
    head = {
        "head_weights": rng.standard_normal((10, 256), dtype=np.float32),
        "head_bias": np.zeros(10, np.float32),
    }
    return {"embeddings": embeddings, "margin": rng.random(rows), **head}


def peak() -> float:
    """The most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(name: str, pool: dict[str, Any], k: int) -> None:
    """Pick a batch out of a pool, 200 images of which are labelled."""
    n = len(pool["margin"]) - LABELLED
    by_row = {signal: pool[signal][:n] for signal in ("embeddings", "margin")}
    about = {"labelled_embeddings": pool["embeddings"][n:], "keys": np.arange(n, dtype=np.uint64)}
    known = {**pool, **by_row, **about, "seed": 0, "k": k}
    _inputs.call(find(name).function, known)


def scikit_learn(pool: dict[str, Any], k: int) -> None:
    """k-means as a program would that wants the same bits on every run."""
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    points: NDArray[np.float32] = pool["embeddings"]
    with threadpool_limits(1):
        model = MiniBatchKMeans(k, random_state=0, n_init=1, batch_size=5_000, max_iter=20)
        model.fit(points[:100_000])
        model.predict(points)


def peer(pool: dict[str, Any]) -> None:
    """scikit-activeml's TypiClust on a small pool."""
    from skactiveml.pool import TypiClust

    points = distances.unit(pool["embeddings"][:SMALL])
    labels = np.full(SMALL, np.nan)
    labels[-LABELLED:] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        query = TypiClust(random_state=0, k=20, cluster_algo_dict={"random_state": 0, "n_init": 1}).query
        query(points, labels, batch_size=SMALL_K)


def one(what: str, folder: str, rows: int, k: int) -> None:
    """Measure one run; the child's side."""
    pool = real(Path(folder)) if not rows else synthetic(rows)
    if what.endswith("-small"):
        pool = {**pool, "embeddings": pool["embeddings"][:SMALL], "margin": pool["margin"][:SMALL]}
    before, began, worked = peak(), time.perf_counter(), time.process_time()
    if what == "scikit-learn":
        scikit_learn(pool, k)
    elif what == "scikit-activeml-small":
        peer(pool)
    else:
        ours(what.removesuffix("-small"), pool, SMALL_K if what.endswith("-small") else k)
    wall, cpu = time.perf_counter() - began, time.process_time() - worked
    print(f"{wall:9.2f} s {cpu:9.2f} s of CPU {peak():8.0f} MiB ({before:.0f} before)", flush=True)


def main() -> None:
    """Run all of them in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", help="the folder with embeddings.npy and probabilities.npy")
    parser.add_argument("--k", type=int, default=500)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the synthetic pool")
    parser.add_argument("--only", default="", help="strategies, or scikit-learn; comma between")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        one(given.child[0], given.out, int(given.child[1]), given.k)
        return
    runs = [(name, rows) for rows in (0, given.rows) for name in [*STRATEGIES, "scikit-learn"]]
    runs += [("typiclust-small", 0), ("scikit-activeml-small", 0)]
    wanted = given.only.split(",") if given.only else [name for name, _ in runs]
    for name, rows in runs:
        if name in wanted:
            shape = f"{rows:,} × 256" if rows else f"{SMALL if name.endswith('-small') else 50_000:,} × 512"
            print(f"{shape:16s} {name:22s}", end="", flush=True)
            child = [sys.executable, __file__, given.out, "--k", str(given.k), "--child", name, str(rows)]
            subprocess.run(child, check=True)


if __name__ == "__main__":
    main()
