"""Test accuracy from 1,440 random labels on MNIST or Fashion-MNIST, through the command line, three seeds.

    python tests/benchmarks/bench_accuracy.py FOLDER [SEEDS]

FOLDER holds the four official idx files (train-images-idx3-ubyte.gz and so on). Of the 1,440 labels `init` draws 100
for validation; the 10,000 test images are looked at once, after training.
"""

from __future__ import annotations

import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = 1440


def read(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    pixels = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    return np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 28, 28), np.frombuffer(
        labels, np.uint8, offset=8
    )


def write_pool(source: Path, pool: Path, seed: int) -> Path:
    """Write the labelled and the test images as PNG files; the unlabelled ones play no part in `train`."""
    images, labels = read(source, "train")
    chosen = np.random.default_rng(seed).permutation(len(images))[:LABELS]
    for row in chosen:
        save(images[row], pool / "train" / str(labels[row]) / f"{row:05d}.png")
    for row, (image, label) in enumerate(zip(*read(source, "t10k"), strict=True)):
        save(image, pool / "test" / str(label) / f"{row:05d}.png")
    return pool


def save(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def accuracy(source: Path, seed: int) -> tuple[float, float]:
    """Return the test accuracy of M1, and of the nearest class centre in M2's embedding."""
    with tempfile.TemporaryDirectory() as folder:
        pool = write_pool(source, Path(folder) / "pool", seed)
        for command in (["init"], ["train", "--model", "lenet"]):
            done = subprocess.run(
                [sys.executable, "-m", "alcli", *command, "--seed", str(seed), "--json", "-q", str(pool)],
                check=True, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        metrics = json.loads(done.stdout)["metrics"]
    return metrics["test_accuracy"], metrics["nearest_centre_test_accuracy"]


def main() -> None:
    source, seeds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = list(threads.map(lambda seed: accuracy(source, seed), range(seeds)))
    for name, values in zip(("M1", "nearest centre of M2"), zip(*found, strict=True), strict=True):
        shown = ", ".join(f"{value:.2%}" for value in values)
        print(f"{source.name}, {LABELS} labels, {name}: {shown}; mean {statistics.mean(values):.2%}")


if __name__ == "__main__":
    main()
