"""Time and peak memory of `dal`, beside the released code's recipe in torch's own layers.

    python tests/benchmarks/bench_dal.py OUT                  # both sizes
    python tests/benchmarks/bench_dal.py OUT --device cuda
    python tests/benchmarks/bench_dal.py OUT --step           # one training step against autograd and Adam

OUT holds `embeddings.npy`, 50,000 × 512, made by `embeddings.py`. A batch of 1,000 is picked with 1,000 labelled
images, there and out of 1,000,000 × 256 synthetic points in 200 clusters, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

LABELLED, BUDGET = 1_000, 1_000


def embeddings(folder: Path, size: str) -> np.ndarray:
    """Return (n, d) float32; the first `LABELLED` are the labelled ones."""
    rng = np.random.default_rng(0)
    if size == "real":
        real = np.load(folder / "embeddings.npy")
        return real[rng.permutation(len(real))].astype(np.float32)
    centres = rng.normal(size=(200, 256)).astype(np.float32)
    points = rng.standard_normal((1_000_000, 256), dtype=np.float32)
    points += centres[rng.integers(0, 200, len(points))]
    return points


def measure(folder: Path, size: str, device: str, queries: int) -> None:
    """Pick one batch; print its figures as one line of JSON."""
    from alcli.networks import discriminator  # noqa: F401  # torch's own memory is not the strategy's
    from alcli.strategies.dal import dal

    points = embeddings(folder, size)
    pool, labelled = points[LABELLED:], points[:LABELLED]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, busy = time.perf_counter(), time.process_time()
    budget = BUDGET * queries // 20
    batch = dal(pool, labelled_embeddings=labelled, k=budget, seed=0, device=device, queries=queries)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = batch.quality["mini_queries"]
    figures = {
        "size": f"{len(pool):,} x {points.shape[1]}",
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(time.process_time() - busy, 1),
        "more_MiB": round((peak - before) / 1024),
        "bound_MiB": round(11 * (LABELLED + budget) * points.shape[1] * 4 / 2**20),
        "embeddings_MiB": round(points.nbytes / 2**20),
        "mini_queries": len(done),
        "epochs": [query["epochs"] for query in done],
        "accuracy": round(float(np.mean([query["accuracy"] for query in done])), 4),
        "approximations": list(batch.approximations),
    }
    print(json.dumps(figures))


def step_times(rows: int, width: int, repeats: int) -> tuple[float, float]:
    """Return the seconds of one training step, ours and of torch's layers, autograd and Adam, on one thread."""
    import torch
    from alcli.networks.discriminator import Perceptron, _Adam
    from torch import nn

    torch.set_num_threads(1)
    network = Perceptron(width, torch.Generator().manual_seed(0), "cpu")
    adam = _Adam(network, 1e-3)
    points, targets, weights = torch.randn(rows, width), torch.arange(rows) % 2, torch.ones(rows)
    layers: list[nn.Module] = []
    for out, into in network.shapes:
        layers += [nn.Linear(into, out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    theirs = torch.optim.Adam(model.parameters())

    def plain() -> None:
        theirs.zero_grad()
        nn.functional.cross_entropy(model(points), targets).backward()
        theirs.step()

    def ours() -> None:
        with torch.inference_mode():
            network.descend(points, targets.float(), weights)
            adam.step()

    best = []
    for run in (ours, plain):
        run()
        taken = []
        for _ in range(repeats):
            began = time.perf_counter()
            run()
            taken.append(time.perf_counter() - began)
        best.append(float(np.median(taken)))
    return best[0], best[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=["real", "synthetic"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--queries", type=int, default=20, help="fewer for a quick look; k shrinks alike")
    parser.add_argument("--step", action="store_true")
    arguments = parser.parse_args()
    if arguments.step:
        for rows, width, repeats in ((32, 256, 300), (128, 128, 300), (1_024, 512, 15)):
            ours, plain = step_times(rows, width, repeats)
            print(f"step of {rows} x {width}: ours {ours * 1e3:.2f} ms, torch {plain * 1e3:.2f} ms, "
                  f"{plain / ours:.2f} times")  # fmt: skip
        return
    if arguments.size:
        measure(arguments.folder, arguments.size, arguments.device, arguments.queries)
        return
    for size in ("real", "synthetic"):
        more = ["--device", arguments.device, "--queries", str(arguments.queries)]
        subprocess.run([sys.executable, __file__, str(arguments.folder), "--size", size, *more], check=True)


if __name__ == "__main__":
    main()
