"""CEAL on Fashion-MNIST: each way to lower its threshold, beside the same strategy without pseudo-labels.

    python tests/benchmarks/reproduce/ceal_fashion.py DATA WORK [--seeds S] [--jobs J]

Wang, Zhang, Li, Zhang & Lin, 2017, arXiv 1701.03551, with the threshold and the rate published for CACD (0.05 nats,
0.0033 a round). Theirs is an AlexNet on faces; here `lenet` is trained anew in each round, and judged by its last
epoch. `random+ceal` is what the pseudo-labels bring by themselves.
"""

from __future__ import annotations

from _experiment import Measurement, main

MEASUREMENT = Measurement(
    name="ceal_fashion",
    data="fashion-mnist",
    methods=(
        "entropy",
        "entropy+ceal:decay=linear",
        "entropy+ceal:decay=cumulative",
        "entropy+ceal:decay=constant",
        "random+ceal:decay=linear",
    ),
    model="lenet",
    initial=500,
    batch=250,
    rounds=8,
    epochs=10,
    seeds=3,
    pool_size=10_000,
)

if __name__ == "__main__":
    main(MEASUREMENT)
