"""Time and peak memory of `badge`, of the plain factored loop, and of scikit-activeml's `Badge`.

    python tests/benchmarks/bench_badge.py OUT [--k 2000] [--rows 1000000] [--plain-k 200] [--peer-k 200]

OUT is what `tests/benchmarks/embeddings.py` wrote: real embeddings, 50,000 × 512, 10 classes. The synthetic pools have
`rows` images in 1,000 clusters, 256 wide, with 10 and with 100 classes (`--rows 0`: none). All of one run share
arrays and random numbers.

The plain loop computes every distance from ‖g‖² + ‖g'‖² - 2(a·a')(h·h') by two matrix-vector products. In float64
its draws must equal ours; in float32, in which it is timed, it leaves them once rounding moves a draw to a
neighbour. On synthetic pools it does `--plain-k` picks, and its time for k is in proportion.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from alcli import randomness
from alcli.strategies.badge import badge
from numpy.typing import NDArray

Singles = NDArray[np.float32]
Rows = NDArray[np.int64]


def synthetic(rows: int, width: int, classes: int) -> tuple[Singles, Singles]:
    """Clusters of embeddings, and what a linear layer makes of them."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(1000, width)).astype(np.float32)
    layer = rng.normal(size=(width, classes)).astype(np.float32) * np.float32(4 / np.sqrt(width))
    h = rng.standard_normal((rows, width), np.float32)
    h *= np.float32(0.3)
    for start in range(0, rows, 10_000):
        block = h[start : start + 10_000]
        block += centres[rng.integers(1000, size=len(block))]
    logits = h @ layer
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits, out=logits)
    p /= p.sum(axis=1, keepdims=True)
    return p, h


def ours(p: Singles, h: Singles, k: int) -> Rows:
    """`badge`."""
    return badge(p, h, np.arange(len(p), dtype=np.uint64), k=k, seed=0, device="cpu").rows


def plain(p: Singles, h: Singles, k: int, dtype: type) -> Rows:
    """The factored loop without pruning."""
    a, h = p.astype(dtype), h.astype(dtype, copy=False)
    a[np.arange(len(p)), p.argmax(axis=1)] = p.max(axis=1) - np.float32(1)
    norms = (np.vecdot(a, a) * np.vecdot(h, h)).astype(np.float64)
    rng = np.random.default_rng(randomness.derive_seed(0, "badge"))
    rows, nearest = [int(norms.argmax())], np.full(len(p), np.inf)
    while len(rows) < k:
        row = rows[-1]
        found = norms + norms[row] - 2 * ((a @ a[row]) * (h @ h[row]))
        np.minimum(nearest, np.maximum(found, 0, out=found), out=nearest)
        nearest[row] = 0
        ends = np.cumsum(nearest)
        rows.append(int(np.searchsorted(ends, rng.random() * ends[-1], side="right")))
    return np.array(rows)


def peer(p: Singles, h: Singles, k: int) -> Rows:
    """scikit-activeml's, given probabilities and embeddings."""
    from skactiveml.base import SkactivemlClassifier
    from skactiveml.pool import Badge

    class Given(SkactivemlClassifier):
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Given:
            return self

        def predict_proba(self, X: Any) -> Singles:
            return p

    model = Given(classes=range(p.shape[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array(
            Badge(random_state=0).query(h, np.full(len(h), np.nan), model, fit_clf=False, batch_size=k)
        )


def measured(function: Callable[..., Rows], *given: Any) -> tuple[Rows, float, float]:
    """What it returns, seconds, and the peak of new memory in MB."""
    tracemalloc.start()
    start = time.perf_counter()
    found = function(*given)
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return found, seconds, peak


def line(what: str, k: int, seconds: float, peak: float, more: str = "") -> None:
    """Print one row of the table."""
    print(f"  {what:28} k = {k:5,}  {seconds:9.2f} s  {peak:9.1f} MB  {more}", flush=True)


def agreement(mine: Rows, theirs: Rows) -> str:
    """Say how far two sequences of draws go together."""
    differ = np.flatnonzero(mine[: len(theirs)] != theirs)
    return f"draws differ from pick {differ[0] + 1:,} on" if len(differ) else "identical draws"


def compare(name: str, p: Singles, h: Singles, k: int, plain_k: int) -> None:
    """Ours and the plain loop."""
    n, c, d = len(p), p.shape[1], h.shape[1]
    allowed = 3 * n * (c + d) * 4 / 1e6
    print(f"{name}: {n:,} × {d}, {c} classes; 3 · N · (K + D) · 4 bytes = {allowed:,.0f} MB")
    mine, seconds, peak = measured(ours, p, h, k)
    line("badge", k, seconds, peak)
    for dtype in (np.float32, np.float64):
        rows, taken, peak = measured(plain, p, h, plain_k, dtype)
        ratio = f"{taken * k / plain_k / seconds:5.1f} times ours for k = {k:,}; {agreement(mine, rows)}"
        line(f"plain loop, {np.dtype(dtype).name}", plain_k, taken, peak, ratio)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--k", type=int, default=2_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--plain-k", type=int, default=200)
    parser.add_argument("--peer-k", type=int, default=200)
    given = parser.parse_args()
    p = np.load(given.out / "probabilities.npy").astype(np.float32)
    h = np.load(given.out / "embeddings.npy").astype(np.float32)
    compare("real", p, h, given.k, given.k)
    if given.peer_k:
        _, mine, peak = measured(ours, p, h, given.peer_k)
        line("badge", given.peer_k, mine, peak)
        _, theirs, peak = measured(peer, p, h, given.peer_k)
        line("scikit-activeml Badge", given.peer_k, theirs, peak, f"{theirs / mine:5.1f} times ours")
    for classes in (10, 100) if given.rows else ():
        compare("synthetic", *synthetic(given.rows, 256, classes), given.k, given.plain_k)


if __name__ == "__main__":
    main()
