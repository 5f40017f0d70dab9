"""Real embeddings for the benchmarks of strategies: those of a small CNN on Fashion-MNIST.

    python tests/benchmarks/embeddings.py FOLDER OUT

FOLDER holds the four gzipped IDX files of Fashion-MNIST (or MNIST). A CNN with a 512-wide embedding is trained for
one pass over 10,000 of the training images; OUT gets `embeddings.npy` (50,000, 512) float16, `probabilities.npy`
(50,000, 10) float32 and `labels.npy` (50,000,) of images that it was not trained on. Half a minute on two cores.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

TRAINED_ON = 10_000


def idx(path: Path) -> NDArray[np.uint8]:
    """Read a gzipped IDX file of bytes."""
    raw = gzip.decompress(path.read_bytes())
    axes = raw[3]
    shape = np.frombuffer(raw, ">i4", axes, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def network() -> nn.Sequential:
    """Two convolutions and a 512-wide hidden layer."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1600, 512), nn.ReLU(), nn.Linear(512, 10),
    )  # fmt: skip


def train(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """One pass over the images."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    for at in torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).split(64):
        loss = nn.functional.cross_entropy(model(images[at]), labels[at])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


@torch.inference_mode()
def outputs(model: nn.Sequential, images: Tensor) -> dict[str, NDArray[Any]]:
    """Return what `score` would save."""
    parts = [model[:-1](batch) for batch in images.split(1000)]
    embeddings = torch.cat(parts)
    return {
        "embeddings": embeddings.numpy().astype(np.float16),
        "probabilities": model[-1](embeddings).softmax(dim=1).numpy(),
    }


def main() -> None:
    """Train, embed, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    images = torch.from_numpy(idx(given.folder / "train-images-idx3-ubyte.gz").copy())[:, None] / 255.0
    labels = torch.from_numpy(idx(given.folder / "train-labels-idx1-ubyte.gz").astype(np.int64))
    torch.manual_seed(0)
    model = network()
    train(model, images[:TRAINED_ON], labels[:TRAINED_ON])
    given.out.mkdir(parents=True, exist_ok=True)
    found = {**outputs(model, images[TRAINED_ON:]), "labels": labels[TRAINED_ON:].numpy()}
    for name, values in found.items():
        np.save(given.out / f"{name}.npy", values)
    right = float((found["probabilities"].argmax(axis=1) == found["labels"]).mean())
    print(
        f"{len(found['labels']):,} images, {found['embeddings'].shape[1]} wide; {right:.1%} classified right"
    )


if __name__ == "__main__":
    main()
