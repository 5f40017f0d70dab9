"""The DAL paper's figure 1b: MNIST, batches of 100 from 100 random labels on to 1,000.

    python tests/benchmarks/reproduce/dal_mnist.py DATA WORK [--seeds S] [--jobs J]

Gissin & Shalev-Shwartz, 2019, arXiv 1907.06347. Apart from it: the network is trained for 50 epochs, the last one is
kept, and all labels are learned from (theirs: 150 epochs, the best after the 50th on a validation fifth of the labels);
each seed draws a pool of 10,000 of the 60,000 images, to score less (`--pool-size 60000` takes all); the curve ends at
1,000 labels, theirs at 2,000; every method begins with the same 100 labels of its seed. `deepfool` looks at the 1,000
images of smallest margin; `dal` trains its discriminator for up to 100 epochs, ten times a round (theirs: up to 1,000,
twenty times). `egl` is the length in the last layer; the paper's line is not comparable, its released code
averages gradients over chunks of images. `all labels` is the whole pool of the seed. With five seeds the intervals can
be read, but the test of ten methods can call no difference real: that takes nine (`--seeds 9`).
"""

from __future__ import annotations

from _experiment import Measurement, main

MEASUREMENT = Measurement(
    name="dal_mnist",
    data="mnist",
    methods=(
        "least-confidence",
        "entropy",
        "margin",
        "bald",
        "deepfool:candidates=1000",
        "egl",
        "kcenter",
        "dal:epochs=100,queries=10",
        "badge",
        "uherding",
    ),
    model="lenet",
    initial=100,
    batch=100,
    rounds=9,
    epochs=50,
    pool_size=10_000,
    more=("--reference",),
)

if __name__ == "__main__":
    main(MEASUREMENT)
