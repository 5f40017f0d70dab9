"""Time of `alcli simulate` beside a hand-written PyTorch loop of the same steps, and where its time goes.

    python tests/benchmarks/bench_simulate.py DATA WORK [--rounds R] [--method NAME] [--repeats N]

DATA holds mnist/*.gz, WORK takes the pool and the states. MNIST, 100 random labels, batches of 100, `lenet`, one seed.
The loop takes as many steps of 32 images with Adam and the same cosine, and as many passes over the same images, held in
memory as normalised float32: the pool of 60,000 where somebody chooses by it afterwards, the 10,000 test images always. It is
timed twice: as most people write it, and with the channels last in memory, as alcli has them. `--method margin` is two
methods, as `random` always runs, for the loop too; `--method random` is that one alone. Every run is a process of its
own, the order alternates; start-up (imports) and reading (decoding, for the loop unzipping) are shown apart. The last
run is profiled.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import math
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from reproduce import _pools

INITIAL = BATCH = 100
STEP, SCORED_AT_ONCE, LR = 32, 512, 1e-3
LEAST_EPOCHS, MOST_EPOCHS, WANTED_STEPS = 30, 200, 1500  # what `train` does where nobody says
WANTED_RATIO, WANTED_SHARE = 1.15, 0.9
LAST = "loop, channels last"
STAGES = ("train_seconds", "score_seconds", "select_seconds")
PARTS = {
    "training": ("training/run.py", "train"),
    "scoring": ("scoring/__init__.py", "score"),
    "selecting": ("selection/__init__.py", "select"),
    "taking labels": ("labelling/__init__.py", "import_labels"),
    "decoding": ("images/album.py", "fill"),
}  # file and function


def simulate(pool: Path, state: Path, method: str, rounds: int, *, profile: bool) -> dict[str, Any]:
    """Run the command in this process; return its seconds, those of its parts, and how its table splits them."""
    import pyarrow.parquet as pq
    from alcli import simulation, training  # noqa: F401  # what the command imports, so that it counts as start-up
    from alcli.images.album import Album
    from alcli.main import app

    reading = [0.0]
    original = Album.fill

    def fill(*given: Any, **more: Any) -> Album:
        began = time.perf_counter()
        album = original(*given, **more)
        reading[0] = time.perf_counter() - began
        return album

    Album.fill = fill
    arguments = [
        "simulate", str(pool), "--state", str(state), "--method", method, "--model", "lenet",
        "--initial", str(INITIAL), "--batch", str(BATCH), "--rounds", str(rounds), "--seeds", "1", "--quiet",
        "--output", str(state / "table.parquet"),
    ]  # fmt: skip
    profiler = cProfile.Profile()
    began = time.perf_counter()
    if profile:
        profiler.enable()
    app(arguments, standalone_mode=False)
    profiler.disable()
    seconds = time.perf_counter() - began
    table = pq.read_table(state / "table.parquet").to_pydict()
    counted = [at for at, number in enumerate(table["round"]) if number or table["method"][at] == "random"]
    return {
        "seconds": seconds - reading[0],
        "reading": reading[0],
        "stages": {stage: sum(table[stage][at] or 0.0 for at in counted) for stage in STAGES},
        "accuracy": table["accuracy"][-1],
        "profile": shares(profiler, seconds - reading[0]) if profile else None,
    }


def shares(profiler: cProfile.Profile, seconds: float) -> dict[str, float]:
    """Return which share of `seconds` each of `PARTS` took, with all that it called."""
    stats = pstats.Stats(profiler).stats
    found = dict.fromkeys(PARTS, 0.0)
    for (file, _, function), (*_, cumulative, _) in stats.items():
        for part, (ending, name) in PARTS.items():
            if function == name and file.replace("\\", "/").endswith(ending):
                found[part] += cumulative / seconds
    return found


def loop(data: Path, method: str, rounds: int, *, channels_last: bool) -> dict[str, Any]:
    """Do the same by hand."""
    import torch
    from alcli.networks.lenet import lenet
    from torch import nn

    began = time.perf_counter()
    parts = [_pools.read_idx(data / "mnist", split) for split in ("train", "test")]
    images = torch.from_numpy(np.concatenate([pixels for pixels, _ in parts])).float().div_(255)
    images = images.sub_(0.5).div_(0.5)[:, None].contiguous()  # (70000, 1, 28, 28)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    codes = torch.from_numpy(np.concatenate([codes for _, codes in parts]).astype(np.int64))
    reading = time.perf_counter() - began
    rng = np.random.default_rng(0)
    pool = len(parts[0][1])

    def trained(labelled: np.ndarray) -> nn.Module:
        network = nn.Sequential(lenet(1, 28), nn.Dropout(0.5), nn.Linear(128, 10))
        network = network.to(memory_format=layout)
        optimiser = torch.optim.Adam(network.parameters(), lr=LR, fused=True)
        network.train()
        for progress, rows in steps(labelled, rng):
            for group in optimiser.param_groups:
                group["lr"] = LR * 0.5 * (1 + math.cos(math.pi * progress))
            chosen = torch.from_numpy(rows)
            loss = nn.functional.cross_entropy(network(images[chosen]), codes[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        return network.eval()

    @torch.inference_mode()
    def scored(network: nn.Module, *, chosen_by: bool) -> torch.Tensor:
        wanted = images if chosen_by else images[pool:]
        return torch.cat([network(some).softmax(dim=1) for some in wanted.split(SCORED_AT_ONCE)])

    began = time.perf_counter()
    first = rng.permutation(pool)[:INITIAL]
    start = scored(trained(first), chosen_by=method != "random")  # shared by the methods, as in a simulation
    for name in dict.fromkeys(["random", method]):
        labelled, probabilities = first, start
        for number in range(rounds):
            if name == "random":
                worth = rng.random(pool)
            else:
                top = probabilities[:pool].topk(2).values
                worth = (top[:, 1] - top[:, 0]).numpy().astype(float)
            worth[labelled] = -np.inf
            labelled = np.concatenate([labelled, np.argsort(-worth, kind="stable")[:BATCH]])
            chosen_by = name != "random" and number < rounds - 1
            probabilities = scored(trained(labelled), chosen_by=chosen_by)
            accuracy = float(
                (probabilities[-len(codes[pool:]) :].argmax(dim=1) == codes[pool:]).float().mean()
            )
    return {"seconds": time.perf_counter() - began, "reading": reading, "accuracy": accuracy}


def steps(labelled: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[float, np.ndarray]]:
    """Yield how much of the training is done, and the rows of each step's images."""
    count = -(-len(labelled) // STEP)
    epochs = min(MOST_EPOCHS, max(LEAST_EPOCHS, math.ceil(WANTED_STEPS / count)))
    for epoch in range(epochs):
        order = rng.permutation(labelled)
        for step in range(count):
            yield (epoch + step / count) / epochs, order[step * STEP : (step + 1) * STEP]


def measured(kind: str, data: Path, pool: Path, method: str, rounds: int) -> dict[str, Any]:
    """Run one side in a process of its own, on a state of its own; return what it says, and its wall time."""
    with tempfile.TemporaryDirectory(dir=pool.parent) as folder:
        state = Path(folder) / "state"
        if not kind.startswith("loop"):
            init = ["init", str(pool), "--state", str(state), "--val-fraction", "0", "--quiet"]
            subprocess.run([sys.executable, "-m", "alcli", *init], check=True, stdout=subprocess.DEVNULL)
        began = time.perf_counter()
        sides = ["--side", kind, "--state", str(state), "--method", method, "--rounds", str(rounds)]
        done = subprocess.run(
            [sys.executable, __file__, str(data), str(pool.parent), *sides],
            check=True,
            stdout=subprocess.PIPE,
        )
        wall = time.perf_counter() - began
    found = json.loads(done.stdout.splitlines()[-1])
    found["start-up"] = wall - found["seconds"] - found["reading"]
    print(
        f"{kind:19}: {found['seconds']:.1f} s, and {found['start-up']:.1f} s of start-up and "
        f"{found['reading']:.1f} s of reading; accuracy at the end {found['accuracy']:.2%}",
        flush=True,
    )
    return found


def side(asked: argparse.Namespace) -> dict[str, Any]:
    """Run one side here."""
    if asked.side.startswith("loop"):
        return loop(asked.data, asked.method, asked.rounds, channels_last=asked.side == LAST)
    pool, profile = asked.work / "mnist", asked.side == "profile"
    return simulate(pool, asked.state, asked.method, asked.rounds, profile=profile)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("work", type=Path, metavar="WORK")
    parser.add_argument("--method", choices=("random", "margin"), default="margin")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--side", choices=("simulate", "profile", "loop", LAST), help=argparse.SUPPRESS)
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        print(json.dumps(side(asked)))
        return
    pool = _pools.pool("mnist", asked.data, asked.work)
    order = [("simulate", "loop", LAST), (LAST, "loop", "simulate")]
    runs: dict[str, list[dict[str, Any]]] = {"simulate": [], "loop": [], LAST: []}
    for repeat in range(asked.repeats):
        for kind in order[repeat % 2]:
            runs[kind].append(measured(kind, asked.data, pool, asked.method, asked.rounds))
    ours = [run["seconds"] for run in runs["simulate"]]
    for kind in ("loop", LAST):
        ratios = [mine / run["seconds"] for mine, run in zip(ours, runs[kind], strict=True)]
        each = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        print(
            f"simulate / {kind}: {statistics.median(ratios):.3f} (wanted: up to {WANTED_RATIO}); each time {each}"
        )
    stages = runs["simulate"][-1]["stages"]
    inside = (stages["train_seconds"] + stages["score_seconds"]) / ours[-1]
    told = ", ".join(f"{stage.removesuffix('_seconds')} {seconds:.1f} s" for stage, seconds in stages.items())
    print(f"its table: {told}: {inside:.1%} inside training and scoring (wanted: {WANTED_SHARE:.0%})")
    profiled = measured("profile", asked.data, pool, asked.method, asked.rounds)["profile"]
    print("cProfile, shares of the time without decoding:")
    for part, share in profiled.items():
        if part != "decoding":
            print(f"  {part:14} {share:6.1%}")


if __name__ == "__main__":
    main()
