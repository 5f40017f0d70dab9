"""Fashion-MNIST, batches of 1,000 from 1,000 random labels on to 10,000: every strategy that can.

    python tests/benchmarks/reproduce/fashion_mnist.py DATA WORK [--seeds S] [--jobs J]

To afford so many methods, two seeds by default, images of 20 px, 3 epochs (15 of the triplet network) that go on with the
weights of the round before, and a pool of 15,000 images drawn for each seed. With two seeds no difference can be called
real, and intervals are wide.
"""

from __future__ import annotations

import alcli
from _experiment import Measurement, main

# What takes part under other settings than its own, and why.
SETTINGS = {
    "bait": "bait:width=16,candidates=2000",  # (classes · width)² numbers an image: more is beyond a round's time
    "dal": "dal:epochs=20,queries=5",  # each on up to 15,000 rows; published for this width: 1,000 epochs, 20 times
    "deepfool": "deepfool:candidates=2000",  # up to 110 backward passes for each image
    "triplet-margin": "triplet-margin:order=uncertain",  # its own order is for labels that the model gives
}

# What does not.
EXCLUDED = {
    "activelab": "the same order as least-confidence where no image has a label yet",
    "ccl": "needs a network of its own, see `ccl_mnist.py`",
    "vaal": "trains two networks more in every round, each for 100 epochs over the pool as published: too long",
    "random": "the baseline: `simulate` runs it anyway",
    "batchbald": "looks ahead up to 50 images, a batch has 1,000",
    "kcenter-robust": "its programmes take minutes a round, and where its time limit ends them the machine decides",
    "max-margin": "takes what the model is surest of: only for labels that the model gives (`triplet_al_cifar10.py`)",
    "most-confidence": "the same",
    "variation-ratio": "the same order as least-confidence, so the same labels and the same curve",
}

MEASUREMENT = Measurement(
    name="fashion_mnist",
    data="fashion-mnist",
    methods=tuple(SETTINGS.get(name, name) for name in alcli.strategies() if name not in EXCLUDED),
    model="lenet",
    initial=1_000,
    batch=1_000,
    rounds=9,
    epochs=3,
    seeds=2,
    pool_size=15_000,
    more=("--image-size", "20", "--warm-start", "--embedding-epochs", "15"),
)

if __name__ == "__main__":
    main(MEASUREMENT)
