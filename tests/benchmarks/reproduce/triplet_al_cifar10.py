"""Triplet AL: CIFAR-10, 5,000 labels, three rounds of 5,000 pseudo-labels, LeNet-5.

    python tests/benchmarks/reproduce/triplet_al_cifar10.py DATA WORK [--seeds S] [--jobs J]

Sundriyal, Ghosh, Vatsa & Singh, AAAI 2021 (student abstract), doi 10.1609/aaai.v35i18.17948. The abstract reports
+6.29 points, without seeds or absolute figures. People label the first 5,000 images and no more; `random+pseudo`, what
the classifier says of images drawn at random, is the fair control. `random` shows what as many labels by people would
have bought. Pseudo-labels stay once given, and both networks are trained anew in each round, as published: the classifier
for 10 epochs, the triplet network for 60, as it learns more slowly (on 5,000 labels it tells 31 % of the images right after 10
epochs, 41 % after 60; the classifier 43 % after 10).
"""

from __future__ import annotations

from _experiment import Measurement, main

MEASUREMENT = Measurement(
    name="triplet_al_cifar10",
    data="cifar10",
    methods=("random+pseudo", "triplet-margin+pseudo", "most-confidence+pseudo", "max-margin+pseudo"),
    model="lenet5",
    initial=5_000,
    batch=5_000,
    rounds=3,
    epochs=10,
    seeds=7,  # with fewer, the test of three methods can call no difference real
    more=("--embedding-epochs", "60"),
)

if __name__ == "__main__":
    main(MEASUREMENT)
