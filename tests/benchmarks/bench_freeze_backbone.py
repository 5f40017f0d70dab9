"""How much faster the second round of `train --freeze-backbone` is than the first; 10 times is wanted.

Photo-like JPEGs, resnet18 with its first weights drawn; whole processes are timed, start included. Between
the rounds 20 more images get a label, as after a small round of labelling.

    python tests/benchmarks/bench_freeze_backbone.py [IMAGES]
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

NEW_LABELS = 20
WANTED = 10.0


def make_pool(folder: Path, count: int) -> list[str]:
    """Write `count` labelled photo-sized images in two classes and a few unlabelled ones; return these."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (40, 47, 63, 3), dtype=np.uint8)
    unlabelled = []
    for number in range(count + NEW_LABELS):
        place = folder / ("unlabelled" if number >= count else ("ants", "bees")[number % 2])
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{number:06d}.jpg"
        Image.fromarray(small[number % 40]).resize((500, 375), Image.Resampling.BICUBIC).save(
            path, quality=85
        )
        if number >= count:
            unlabelled.append(f"unlabelled/{path.name}")
    return unlabelled


def alcli(*arguments: object) -> float:
    """Run a command; return its seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "alcli", *map(str, arguments)], check=True)
    return time.perf_counter() - began


def main(count: int) -> None:
    """Measure two rounds and print their ratio."""
    with tempfile.TemporaryDirectory() as scratch:
        pool, labels = Path(scratch) / "pool", Path(scratch) / "labels.csv"
        unlabelled = make_pool(pool, count)
        train = ("train", pool, "--model", "resnet18", "--freeze-backbone")
        alcli("init", pool)
        first = alcli(*train)
        with labels.open("w", newline="") as file:
            csv.writer(file).writerows([("file_name", "label"), *((name, "ants") for name in unlabelled)])
        alcli("import-labels", labels, pool)
        second = alcli(*train)
    sys.stdout.write(
        f"{count} images: first round {first:.1f} s, second {second:.1f} s, "
        f"{first / second:.1f} times faster (wanted: {WANTED:.0f})\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
