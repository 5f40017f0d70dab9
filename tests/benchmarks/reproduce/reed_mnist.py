"""Reed's noisy MNIST: 45 % of the labels put through a fixed permutation of the classes; losses for noisy labels.

    python tests/benchmarks/reproduce/reed_mnist.py DATA WORK [--seeds S] [--jobs J]

Reed, Lee, Anguelov, Szegedy, Erhan & Rabinovich, 2015, arXiv 1412.6596, section 4.1: a perceptron 784-500-300-10 on
60,000 training images, judged on 10,000 clean ones. The last epoch is kept: theirs, and others who could not match the
published figure, may have looked at the test images. The permutation has no fixed points and is drawn for each seed.
The bootstrapping losses begin after two epochs of cross-entropy. Co-teaching (Han et al., 2018, arXiv 1804.06872) is
told the share of wrong labels, which nobody knows in practice.
"""

from __future__ import annotations

from _experiment import Measurement, main

MEASUREMENT = Measurement(
    name="reed_mnist",
    data="mnist",
    methods=(
        "random+bootstrap-soft",
        "random+bootstrap-hard",
        "random+bootstrap-reconstruction",
        "random+co-teaching:noise_rate=0.45",
    ),
    model="mlp",
    initial=60_000,
    batch=1,
    rounds=0,
    epochs=20,
    seeds=3,
    more=("--label-noise", "45%", "--noise-model", "permutation"),
)

if __name__ == "__main__":
    main(MEASUREMENT)
