"""Gregus's report: CIFAR-10, 1,000 first labels, one batch of 5,000; macro-F1.

    python tests/benchmarks/reproduce/gregus_cifar10.py DATA WORK [--seeds S] [--jobs J]

The report finds about +12 points for every method, and +1 over random for the best, on one seed, with a model chosen on
the test images. Here: a small CNN, 20 epochs, nothing chosen on test images, several seeds.
"""

from __future__ import annotations

from _experiment import Measurement, main

MEASUREMENT = Measurement(
    name="gregus_cifar10",
    data="cifar10",
    methods=("least-confidence", "margin", "entropy"),
    model="lenet",
    initial=1_000,
    batch=5_000,
    rounds=1,
    epochs=20,
    seeds=7,  # with fewer, the test of three methods can call no difference real
    metric="macro_f1",
)

if __name__ == "__main__":
    main(MEASUREMENT)
