"""`alcli init` against a bare recursive `os.scandir` with `stat` of the same tree: at most 4 times as long.

    python tests/benchmarks/bench_init.py [IMAGES] [REPEATS]

Both are whole processes, run in turn on the same warm tree of empty files; the medians are compared.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ALLOWED = 4.0
FOLDERS = 100
BARE = """
import os, sys

def walk(folder):
    count = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                count += walk(entry.path)
            else:
                entry.stat()
                count += 1
    return count

walk(sys.argv[1])
"""


def make_tree(pool: Path, images: int) -> None:
    """Write `images` files into class folders, every fifth folder unlabelled."""
    for number in range(FOLDERS):
        (pool / ("unlabelled" if number % 5 == 0 else "") / f"class_{number:03d}").mkdir(parents=True)
    folders = sorted(path for path in pool.rglob("class_*"))
    for number in range(images):
        (folders[number % FOLDERS] / f"photo_{number:07d}.jpg").touch()


def seconds(*command: str) -> float:
    """Return the wall-clock time of one process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def measure(images: int, repeats: int) -> float:
    """Return how many times as long `alcli init` takes as the bare walk."""
    with tempfile.TemporaryDirectory() as folder:
        pool, state = Path(folder, "pool"), Path(folder, "state")
        make_tree(pool, images)
        bare, ours, again = [], [], []
        for _ in range(repeats):
            shutil.rmtree(state, ignore_errors=True)
            init = (sys.executable, "-m", "alcli", "init", str(pool), "--state", str(state), "-q")
            bare.append(seconds(sys.executable, "-c", BARE, str(pool)))
            ours.append(seconds(*init))
            again.append(seconds(*init))
    base = statistics.median(bare)
    sys.stdout.write(f"bare scandir with stat    {base:6.2f} s  1.00\n")
    for name, times in (("alcli init", ours), ("alcli init, second run", again)):
        median = statistics.median(times)
        sys.stdout.write(f"{name:<24}  {median:6.2f} s  {median / base:.2f}\n")
    return statistics.median(ours) / base


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    ratio = measure(*(numbers + [100_000, 7][len(numbers) :]))
    sys.exit(ratio > ALLOWED)
