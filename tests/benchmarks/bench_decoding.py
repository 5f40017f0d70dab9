"""Images per second of `DecodePool`, against as many processes that only decode, and against bare Pillow.

    python tests/benchmarks/bench_decoding.py FOLDER [--image-size 224] [--workers N] [--rounds 10]

FOLDER holds images at any depth; without it, 4,000 noisy 28x28 PNGs are made. Pool and loops take turns, so
that what else the machine does falls on both alike; their ratio is the median over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from alcli.images.decoding import decode
from alcli.images.pipeline import DecodePool
from alcli.images.transform import Transform
from PIL import Image

LOOP = """
import sys
from alcli.images.decoding import decode
from alcli.images.transform import Transform
paths, transform = sys.stdin.readline().rstrip().split("\\t"), Transform(int(sys.argv[1]), int(sys.argv[2]))
for _ in sys.stdin:
    for path in paths:
        decode(path, transform)
    sys.stdout.write("\\n")
    sys.stdout.flush()
"""


def digits(folder: Path) -> list[str]:
    """Make 4,000 small images."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{number:05}.png" for number in range(4000)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8)).save(path)
    return list(map(str, paths))


def loops(paths: list[str], transform: Transform, processes: int) -> list[subprocess.Popen[str]]:
    """Start processes that each decode their share of `paths` whenever they are sent a line."""
    command = [sys.executable, "-c", LOOP, str(transform.image_size), str(transform.channels)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for number, process in enumerate(started):
        tell(process, "\t".join(paths[number::processes]))
    seconds_of_loops(started)
    return started


def tell(process: subprocess.Popen[str], line: str) -> None:
    process.stdin.write(line + "\n")
    process.stdin.flush()


def seconds_of_loops(processes: list[subprocess.Popen[str]]) -> float:
    begun = time.perf_counter()
    for process in processes:
        tell(process, "")
    for process in processes:
        process.stdout.readline()
    return time.perf_counter() - begun


def seconds_of_pool(pool: DecodePool, paths: list[str]) -> float:
    begun = time.perf_counter()
    for _ in pool.stream(paths, batch_size=256):
        pass
    return time.perf_counter() - begun


def microseconds_over_pillow(paths: list[str], transform: Transform) -> tuple[float, float]:
    """Time one image with `decode` (draft off) and with bare Pillow, in this process."""
    transform = Transform(transform.image_size, transform.channels, draft=False)
    size, mode = transform.shape[:2], "L" if transform.channels == 1 else "RGB"
    begun = time.perf_counter()
    for path in paths:
        decode(path, transform)
    between = time.perf_counter()
    for path in paths:
        with Image.open(path) as image:
            image.convert(mode).resize(size, Image.Resampling.BILINEAR)
    ended = time.perf_counter()
    return (between - begun) / len(paths) * 1e6, (ended - between) / len(paths) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.folder:
            paths = sorted(str(path) for path in given.folder.rglob("*.*") if path.is_file())
        else:
            paths = digits(Path(folder))
        transform = Transform(given.image_size or (224 if given.folder else 28), 3 if given.folder else 1)
        with DecodePool(transform, workers=given.workers) as pool:
            begun = time.perf_counter()
            next(pool.stream(paths, batch_size=1))
            first = time.perf_counter() - begun
            seconds_of_pool(pool, paths)
            processes = loops(paths, transform, pool.workers)
            times = [(seconds_of_pool(pool, paths), seconds_of_loops(processes)) for _ in range(given.rounds)]
        for process in processes:
            process.communicate()
        own, bare = zip(*(microseconds_over_pillow(paths[:400], transform) for _ in range(5)), strict=True)
    pooled, looped = zip(*times, strict=True)
    sys.stdout.write(
        f"{len(paths)} images, {pool.workers} workers, first image after {first:.2f} s\n"
        f"pool        {len(paths) / min(pooled):8.0f} images/s at best\n"
        f"loops       {len(paths) / min(looped):8.0f} images/s at best\n"
        f"pool/loops  {statistics.median(loop / pool for pool, loop in times):8.2f}\n"
        f"decode      {min(own):8.0f} µs, bare Pillow {min(bare):.0f} µs (one process, no draft)\n"
    )


if __name__ == "__main__":
    main()
