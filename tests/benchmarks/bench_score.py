"""How near `score` comes to its ceiling 1/(1/d + 1/f), and whether its memory grows with the pool.

d is images/s of decoding alone, f of the forward pass alone, both on all cores, measured in the same run.

    python tests/benchmarks/bench_score.py speed            # 32-pixel PNGs and photo-sized JPEGs
    python tests/benchmarks/bench_score.py memory           # peak of 5,000 against 50,000 images
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from alcli.images.decoding import decode
from alcli.images.transform import Transform
from PIL import Image

CORES = len(os.sched_getaffinity(0))


def make_pool(folder: Path, count: int, side: tuple[int, int], suffix: str) -> Path:
    """Write `count` images; the last fifth unlabelled, the others in two classes."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (40, side[1] // 8 + 1, side[0] // 8 + 1, 3), dtype=np.uint8)
    for number in range(count):
        image = Image.fromarray(small[number % 40]).resize(side, Image.Resampling.BICUBIC)
        place = folder / ("unlabelled" if number >= 40 else "ab"[number % 2])
        place.mkdir(parents=True, exist_ok=True)
        image.save(place / f"{number:06d}.{suffix}", quality=85)
    return folder


def alcli(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "alcli", *map(str, arguments)], check=True)


def decode_all(work: tuple[list[str], dict[str, object]]) -> int:
    transform = Transform.from_dict(work[1])
    return sum(decode(path, transform).pixels is not None for path in work[0])


def decoding_rate(paths: list[str], transform: Transform) -> float:
    shares = [(paths[core::CORES], transform.to_dict()) for core in range(CORES)]
    with multiprocessing.get_context("spawn").Pool(CORES) as pool:
        pool.map(decode_all, [(paths[:20], transform.to_dict())] * CORES)  # started and warm
        began = time.perf_counter()
        done = sum(pool.map(decode_all, shares, chunksize=1))
    return done / (time.perf_counter() - began)


def forward_rate(project: object, transform: Transform, batch: int, seconds: float = 4.0) -> float:
    import torch
    from alcli import models, networks
    from alcli.scoring.scorer import Scorer

    record = models.newest(project)  # type: ignore[arg-type]
    device = torch.device("cpu")
    scorer = Scorer(record, networks.load(record, device), device, {"mc_samples": 0, "top": 0, "seed": 0})
    pixels = np.zeros((batch, transform.image_size, transform.image_size, transform.channels), np.uint8)
    scorer.of_pixels(pixels)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        scorer.of_pixels(pixels)
        done += batch
    return done / (time.perf_counter() - began)


def score_rate(pool: Path) -> float:
    """Images per second of a whole `score`, less what it costs on an empty pool (start-up and loading)."""
    from alcli import models, scoring
    from alcli.project import Project
    from alcli.signals import SignalStore

    project = Project.open(pool)
    record = models.newest(project)
    for part in SignalStore(record.signals(project)).folder.glob("*"):
        part.unlink()
    report = scoring.score(project, record)
    return report.scored / report.seconds


def speed(name: str, count: int, side: tuple[int, int], suffix: str, options: list[str], batch: int) -> None:
    from alcli import models
    from alcli.project import Project

    with tempfile.TemporaryDirectory() as temporary:
        pool = make_pool(Path(temporary) / "pool", count, side, suffix)
        alcli("init", "-q", pool)
        alcli("train", "-q", "--epochs", 1, *options, pool)
        project = Project.open(pool)
        transform = Transform.from_dict(models.newest(project).about["transform"])
        paths = [str(path) for path in sorted(pool.rglob(f"*.{suffix}"))]
        ratios = []
        for _ in range(3):
            d = decoding_rate(paths, transform)
            f = forward_rate(project, transform, batch)
            s = score_rate(pool)
            ceiling = 1 / (1 / d + 1 / f)
            ratios.append(s / ceiling)
            print(
                f"{name}: d {d:.0f}/s, f {f:.0f}/s, ceiling {ceiling:.0f}/s, score {s:.0f}/s = {s / ceiling:.0%}"
            )
        print(f"{name}: median {statistics.median(ratios):.0%} of the ceiling")


def memory() -> None:
    peaks = {}
    for count in (5_000, 50_000):
        with tempfile.TemporaryDirectory() as temporary:
            pool = make_pool(Path(temporary) / "pool", count, (32, 32), "png")
            alcli("init", "-q", pool)
            alcli("train", "-q", "--epochs", 1, "--model", "lenet", pool)
            code = "import sys; from alcli.main import run; sys.argv[0] = 'alcli'; run()"
            child = subprocess.Popen([sys.executable, "-c", code, "score", "-q", str(pool)])
            _, status, usage = os.wait4(child.pid, 0)
            assert status == 0
            peaks[count] = usage.ru_maxrss / 1024
    print(f"peak of score: {peaks[5_000]:.0f} MiB at 5,000 images, {peaks[50_000]:.0f} MiB at 50,000: "
          f"{peaks[50_000] / peaks[5_000]:.3f} times")  # fmt: skip


def main() -> None:
    if sys.argv[1:] in ([], ["speed"]):
        speed("32-pixel PNG, lenet", 20_000, (32, 32), "png", ["--model", "lenet"], 512)
        speed("500x375 JPEG, resnet18", 1_500, (500, 375), "jpg", ["--model", "resnet18"], 64)
    if sys.argv[1:] in ([], ["memory"]):
        memory()


if __name__ == "__main__":
    main()
