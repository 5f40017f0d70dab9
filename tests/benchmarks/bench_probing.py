"""DeepFool and whole-network gradient lengths in batches, against one image at a time.

    python tests/benchmarks/bench_probing.py                  # lenet, 28 pixels, 10 classes
    python tests/benchmarks/bench_probing.py --device cuda --images 4096

Weights are by chance and a few steps of training on noise, so that classes have boundaries.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from alcli import networks
from alcli.networks.deepfool import NEVER, adversarial_distances
from alcli.networks.gradient_lengths import gradient_lengths
from torch import Tensor, nn


def trained(device: str) -> networks.Model:
    """A lenet that has learnt to tell ten noisy patterns apart."""
    model = networks.build(networks.Blueprint("lenet", 10, 1, 28, embedding="none", dropout=0.5)).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    images, codes = pictures(640, device)
    for _ in range(3):
        for batch in torch.split(torch.arange(640, device=device), 64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[batch]).logits, codes[batch]).backward()
            optimiser.step()
    return model.eval()


def pictures(count: int, device: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(10, 1, 28, 28, generator=generator)
    codes = torch.arange(count) % 10
    images = patterns[codes] + torch.randn(count, 1, 28, 28, generator=generator)
    return images.to(device), codes.to(device)


def rate(compute: Callable[[Tensor], Tensor], images: Tensor, batch: int) -> tuple[float, Tensor]:
    """Return images per second, and what was computed."""
    compute(images[:batch])
    began = time.perf_counter()
    found = torch.cat([compute(some) for some in torch.split(images, batch)]).cpu()
    return len(images) / (time.perf_counter() - began), found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, default=1_024)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--alone", type=int, default=64, help="images that are computed one by one")
    arguments = parser.parse_args()
    model = trained(arguments.device)
    images, _ = pictures(arguments.images, arguments.device)
    signals: dict[str, Callable[[Tensor], Tensor]] = {
        "adversarial_distances": lambda some: adversarial_distances(lambda x: model.classifier(x)[0], some),
        "gradient_lengths": lambda some: gradient_lengths(model, some),
    }
    for name, compute in signals.items():
        together, found = rate(compute, images, arguments.batch)
        alone, single = rate(compute, images[: arguments.alone], 1)
        gap = float(((found[: len(single)] - single).abs() / single).max())
        never = int((found >= NEVER).sum())
        print(
            f"{name}: {together:.0f} images/s in batches of {arguments.batch}, {alone:.1f} one by one, "
            f"{together / alone:.1f} times; largest relative difference {gap:.1e}; never changed: {never}"
        )


if __name__ == "__main__":
    main()
