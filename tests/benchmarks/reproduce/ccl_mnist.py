"""CCL on MNIST from 480 labels on to 4,800, beside random labels and an ordinary network.

    python tests/benchmarks/reproduce/ccl_mnist.py DATA WORK [--seeds S] [--jobs J]

Roda & Geva, 2024, doi 10.3389/frai.2024.1398844. The paper prints 91 % at 3 % of the labels (1,440 of 48,000). `random`
is `lenet` on random labels, trained anew in each round with nothing else; `random+ccl` is what the objective brings by
itself, `ccl` adds its queries. Both go on with the weights of the round before, as published; pre-training happens once.
The pool is drawn for each seed, 10,000 images, to afford it; theirs has 48,000.
"""

from __future__ import annotations

from _experiment import Measurement, main

MEASUREMENT = Measurement(
    name="ccl_mnist",
    data="mnist",
    methods=("random+ccl+warm-start", "ccl+warm-start"),
    model="lenet",
    initial=480,
    batch=480,
    rounds=9,
    epochs=None,  # each objective its own: 10 a round for CCL, for `lenet` as many as make 1,500 steps
    seeds=3,
    pool_size=10_000,
)

if __name__ == "__main__":
    main(MEASUREMENT)
