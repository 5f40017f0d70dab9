"""Accuracy of a linear classifier on frozen embeddings, as strategies buy its labels.

    python tests/benchmarks/bench_strategies.py EMBEDDINGS [--seeds 5] [--csv FILE]

EMBEDDINGS is what `embeddings.py` wrote. A pool of 10,000 images and a test set of 5,000 are drawn anew for each seed;
every strategy starts from the same 10 random labels (or from none, with --cold), buys 10, 30, 50, 100, 300 and 500
more, and a logistic regression is fitted on all labels so far. Nothing is tuned on the test set.

Printed are the mean accuracy at each budget, and the mean difference to `random` over all budgets with a 95 % interval
over seeds (Student's t).
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from pathlib import Path
from typing import Any

import alcli
import numpy as np
from alcli.ranking import find
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression

POOL, TEST, START = 10_000, 5_000, 10
STEPS = (10, 30, 50, 100, 300, 500)
STRATEGIES = (
    "random", "margin", "entropy", "kcenter", "typiclust", "probcover", "maxherding", "uherding", "badge",
    "cluster-margin", "kmeans",
)  # fmt: skip
COLD = ("random", "kmeans", "kcenter", "typiclust", "probcover", "maxherding")


def fitted(embeddings: NDArray[Any], labels: NDArray[Any]) -> LogisticRegression:
    """Logistic regression on L2-normalised embeddings, at scikit-learn's own strength but for C."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LogisticRegression(C=10.0, max_iter=200).fit(embeddings, labels)


def probabilities(model: LogisticRegression, embeddings: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Class probabilities, 0 for classes that no label has shown yet."""
    whole = np.zeros((len(embeddings), classes))
    whole[:, model.classes_] = model.predict_proba(embeddings)
    return whole


def run(
    strategy: str, embeddings: NDArray[Any], labels: NDArray[Any], seed: int, *, cold: bool
) -> list[float]:
    """Accuracy after each purchase."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    pool, test = order[:POOL], order[POOL : POOL + TEST]
    classes = int(labels.max()) + 1
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    known = np.full(POOL, -1)
    if not cold:
        known[:START] = labels[pool[:START]]
    accuracies = []
    for step in STEPS:
        given: dict[str, Any] = {"embeddings": embeddings[pool]}
        if (known >= 0).any():
            mine = known >= 0
            model = fitted(unit[pool[mine]], known[mine])
            given["probabilities"] = probabilities(model, unit[pool], classes)
        needs = find(strategy).needs
        wanted = {name: values for name, values in given.items() if name in needs}
        chosen = alcli.rank(strategy, k=step, labels=known, seed=seed, **wanted).rows
        known[chosen] = labels[pool[chosen]]
        mine = known >= 0
        model = fitted(unit[pool[mine]], known[mine])
        accuracies.append(float((model.predict(unit[test]) == labels[test]).mean()))
    return accuracies


def main() -> None:
    """Run every strategy for every seed; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--cold", action="store_true", help="start without labels, as coverage strategies can"
    )
    parser.add_argument("--strategies", nargs="*")
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    embeddings = np.load(given.folder / "embeddings.npy").astype(np.float32)
    labels = np.load(given.folder / "labels.npy")
    found: dict[str, NDArray[np.float64]] = {}
    for strategy in given.strategies or (COLD if given.cold else STRATEGIES):
        start = time.perf_counter()
        runs = [run(strategy, embeddings, labels, seed, cold=given.cold) for seed in range(given.seeds)]
        found[strategy] = np.array(runs)
        spent = time.perf_counter() - start
        means = "  ".join(f"{100 * value:5.1f}" for value in found[strategy].mean(axis=0))
        gain = found[strategy].mean(axis=1) - found["random"].mean(axis=1)  # (seeds,) paired
        half = stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
        print(
            f"{strategy:16} {means}   {100 * gain.mean():+5.2f} ± {100 * half:4.2f}   {spent:4.0f} s",
            flush=True,
        )
    if given.csv:
        with given.csv.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(
                ["strategy", "seed", *(f"after_{n}" for n in np.cumsum(STEPS) + START * (not given.cold))]
            )
            for strategy, values in found.items():
                writer.writerows([strategy, seed, *np.round(row, 4)] for seed, row in enumerate(values))


if __name__ == "__main__":
    main()
