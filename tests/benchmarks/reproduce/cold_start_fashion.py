"""Cold start: Fashion-MNIST without a label, batches of 20 up to 200, on the frozen features of an autoencoder.

    python tests/benchmarks/reproduce/cold_start_fashion.py DATA WORK [--seeds S]

For each seed the autoencoder of `train --objective ccl` learns to give back a pool of 10,000 images, nobody's labels
needed; its codes of 10 numbers are the features of everything that follows. `alcli.rank` picks, the true labels are
looked up, and logistic regression on the features is judged on the 10,000 test images. `margin` begins at random, as
there is no model to be unsure yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import alcli
import numpy as np
import torch
from _experiment import Measurement, main
from _pools import read_idx
from numpy.typing import NDArray

MEASUREMENT = Measurement(
    name="cold_start_fashion",
    data="fashion-mnist",
    methods=("kmeans", "typiclust", "maxherding", "uherding", "margin"),
    model="autoencoder",
    initial=20,
    batch=20,
    rounds=9,
    epochs=15,
    seeds=8,  # with fewer, the test of five methods can call no difference real
    pool_size=10_000,
)
_CODE, _STEP, _LR = 10, 256, 1e-3  # as `train --objective ccl`


def run(measurement: Measurement, data: Path, work: Path, jobs: int) -> None:
    """Write WORK/NAME.parquet, a row for each method, seed and round."""
    del jobs
    import pyarrow as pa
    import pyarrow.parquet as pq

    pixels, codes = read_idx(data / measurement.data, "train")
    test_pixels, test_codes = read_idx(data / measurement.data, "test")
    lines: list[dict[str, Any]] = []
    for seed in range(measurement.seeds):
        chosen = np.random.default_rng(seed).permutation(len(codes))[: measurement.pool_size]
        made = features([pixels[chosen], test_pixels], measurement.epochs or 1, seed)
        for method in ("random", *measurement.methods):
            given = (made[0], codes[chosen].astype(np.int64), made[1], test_codes.astype(np.int64))
            lines += curve(measurement, method, seed, *given)
            print(f"seed {seed}, {method}: {lines[-1]['accuracy']:.1%}", flush=True)
    work.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(lines), work / f"{measurement.name}.parquet")


def features(parts: list[NDArray[np.uint8]], epochs: int, seed: int) -> list[NDArray[np.float32]]:
    """Train an autoencoder on the first of several (n, 28, 28) images; return the (n, 10) codes of all, standardised."""
    from alcli.networks.autoencoder import decoder, encoder

    torch.manual_seed(seed)
    inputs = [torch.from_numpy(part.copy()).unsqueeze(1).float() / 255 for part in parts]
    network = torch.nn.Sequential(encoder(1, 28, _CODE), decoder(1, 28, _CODE))
    optimiser = torch.optim.Adam(network.parameters(), _LR)
    for _ in range(epochs):
        for order in torch.randperm(len(inputs[0])).split(_STEP):
            images = inputs[0][order]
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(network(images), images).backward()
            optimiser.step()
    network.eval()
    with torch.inference_mode():
        made = [torch.cat([network[0](some) for some in part.split(1_000)]).numpy() for part in inputs]
    mean, deviation = made[0].mean(axis=0), made[0].std(axis=0)
    return [(part - mean) / deviation for part in made]


def curve(
    measurement: Measurement,
    method: str,
    seed: int,
    pool: NDArray[np.float32],
    codes: NDArray[np.int64],
    test: NDArray[np.float32],
    test_codes: NDArray[np.int64],
) -> list[dict[str, Any]]:
    """Return a row for each round of one method and seed."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score

    classes = int(codes.max()) + 1
    labelled = np.zeros(len(pool), np.bool_)
    believed = np.full((len(pool), classes), 1 / classes)
    lines = []
    for number in range(measurement.rounds + 1):
        blind = method == "margin" and not labelled.any()
        picked = alcli.rank(
            "random" if blind else method,
            k=measurement.batch,
            seed=seed + 1_000 * number,
            labelled=labelled,
            labels=np.where(labelled, codes, -1),
            embeddings=pool,
            probabilities=believed,
        ).rows
        labelled[picked] = True
        head = LogisticRegression(max_iter=1_000).fit(pool[labelled], codes[labelled])
        believed = np.zeros_like(believed)
        believed[:, head.classes_] = head.predict_proba(pool)
        guesses = head.predict(test)
        lines.append(
            {
                "method": method,
                "seed": seed,
                "round": number,
                "labels": int(labelled.sum()),
                "pseudo_labels": 0,
                "pseudo_precision": None,
                "accuracy": float((guesses == test_codes).mean()),
                "macro_f1": float(f1_score(test_codes, guesses, average="macro")),
                "batch": "",
                "error": None,
                **dict.fromkeys(("train_seconds", "score_seconds", "select_seconds")),
            }
        )
    return lines


if __name__ == "__main__":
    main(MEASUREMENT, run=run)
