"""The official files as folders of images, `train/CLASS/…` and `test/CLASS/…`: what `alcli init` reads by itself."""

from __future__ import annotations

import gzip
import shutil
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

_PARTS = {"train": "train", "test": "t10k"}
_GARMENTS = "t-shirt trouser pullover dress coat sandal shirt sneaker bag ankle-boot"
CLASSES = {"mnist": list("0123456789"), "fashion-mnist": _GARMENTS.split()}
CIFAR10 = Path("cifar10", "cifar10-jpeg.tar.xz")  # holds cifar10/train/CLASS/0000.jpg and so on


def pool(name: str, data: Path, work: Path) -> Path:
    """Return the folder of `mnist`, `fashion-mnist` or `cifar10` in `work`, made of what is in `data` if need be."""
    done = work / name
    if not done.exists():
        half = work / f"{name}.half"  # a killed run leaves no pool that looks whole
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        made = (
            _write_idx(data / name, half, CLASSES[name]) if name in CLASSES else _unpack(data / CIFAR10, half)
        )
        made.rename(done)
        shutil.rmtree(half, ignore_errors=True)
    return done


def read_idx(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 28, 28) uint8 pixels and (n,) uint8 class codes of `train` or `test`."""
    raw = {
        kind: gzip.decompress((folder / f"{_PARTS[split]}-{kind}.gz").read_bytes())
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    }
    pixels, codes = (np.frombuffer(data, np.uint8) for data in raw.values())
    return pixels[16:].reshape(-1, 28, 28), codes[8:]  # behind the headers


def _write_idx(source: Path, folder: Path, classes: list[str]) -> Path:
    for split in _PARTS:
        pixels, codes = read_idx(source, split)
        for name in classes:
            (folder / split / name).mkdir(parents=True)
        for number, (image, code) in enumerate(zip(pixels, codes, strict=True)):
            place = folder / split / classes[code] / f"{number:05d}.png"
            Image.fromarray(image).save(place, compress_level=1)
    return folder


def _unpack(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / "cifar10"
