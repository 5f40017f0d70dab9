"""Finding the wrong labels of CIFAR-10N, which people really gave, by each method of `alcli audit`.

    python tests/benchmarks/reproduce/audit_cifar10n.py DATA WORK [--seeds S] [--images N]
    python tests/benchmarks/reproduce/audit_cifar10n.py --table

Wei, Zhu, Cheng, Liu, Niu & Liu, 2022, arXiv 2110.12088: `random1`, one annotator's labels (17 % wrong), and `worst`, a
wrong one of three wherever there is one (40 % wrong). For each seed a network learns from 15,000 of the noisy labels
(`lenet`, 10 epochs), scores, and is audited; then networks are trained anew on what is left. `cleanlab` is
its own `CleanLearning` with the same logistic regression on the same embeddings. `true labels` is the same training
without a wrong label, `noisy labels` with all of them, `at random` what a list that knows nothing would reach.
DATA holds cifar10/cifar10-jpeg.tar.xz and cifar10/cifar10_labels.npz; WORK takes the pool and a state for each training,
so that a killed run goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import _pools
import numpy as np

NAME = "audit_cifar10n"
KINDS = {"random1": "n_random1", "worst": "n_worse"}
METHODS = ("confident-learning", "rad", "rad-voting", "rad-active", "rad-slim")
CLEANLAB = "cleanlab"
NOISY, TRUE, CHANCE = "noisy labels", "true labels", "at random"
TRAINED_ON = (
    "confident-learning",
    "rad",
    "rad-voting",
)  # the others ask people about what these drop or replace
COLUMNS = ("labels", "seed", "method", "suspects", "precision", "recall", "test_accuracy")
_EPOCHS = 10
_HERE = Path(__file__).parent

Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what has not been run yet, write NAME.csv, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", metavar="DATA")
    parser.add_argument("work", type=Path, nargs="?", metavar="WORK")
    parser.add_argument("--table", action="store_true", help="read NAME.csv, print the table")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=15_000)
    parser.add_argument("--into", type=Path, default=_HERE, help="folder of NAME.csv")
    asked = parser.parse_args(arguments)
    path = asked.into / f"{NAME}.csv"
    if not asked.table:
        if asked.work is None:
            parser.error("DATA and WORK are needed, or --table")
        asked.into.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for row in measure(asked.data, asked.work, asked.seeds, asked.images):
                writer.writerow(row)
                file.flush()
    with path.open(encoding="utf-8", newline="") as file:
        print(table(list(csv.DictReader(file))))


def measure(data: Path, work: Path, seeds: int, images: int) -> Iterator[Row]:
    """Yield a row for every kind of labels, seed and method."""
    pool, labels = unlabelled_pool(data, work, images)
    truth = labels.pop("true")
    for kind, given in labels.items():
        wrong = {name for name in given if given[name] != truth[name]}
        for seed in range(seeds):
            state = work / f"{NAME}-{kind}-{seed}"
            about = {"labels": kind, "seed": seed}
            yield {**about, **_trained(pool, state / "noisy", given, seed), "method": NOISY}
            yield {**about, **_trained(pool, state / "true", truth, seed), "method": TRUE}
            yield {**about, "method": CHANCE, "precision": f"{len(wrong) / len(given):.4f}"}
            for method in METHODS:
                suspects = _audited(pool, state / "noisy", method)
                row = {**about, "method": method, **found({one["file_name"] for one in suspects}, wrong)}
                if method in TRAINED_ON:
                    kept = cleaned(given, suspects)
                    row |= _trained(pool, state / method, kept, seed)
                yield row
            named = _by_cleanlab(pool, state / "noisy", given)
            yield {**about, "method": CLEANLAB, **found(named, wrong)}


def unlabelled_pool(data: Path, work: Path, images: int) -> tuple[Path, dict[str, dict[str, str]]]:
    """Return a pool of `images` training images without class folders, all test images, and labels by kind."""
    whole, pool = _pools.pool("cifar10", data, work), work / NAME
    known = np.load(data / "cifar10" / "cifar10_labels.npz")
    chosen = np.sort(np.random.default_rng(0).permutation(len(known["train_label"]))[:images])
    names = [str(name) for name in known["class_names"]]
    files = {int(at): f"train/unlabelled/{at:05d}.jpg" for at in chosen}
    if not pool.exists():
        half = work / f"{NAME}.half"
        shutil.rmtree(half, ignore_errors=True)
        (half / "train" / "unlabelled").mkdir(parents=True)
        shutil.copytree(whole / "test", half / "test")
        for at, name in files.items():
            source = f"{names[known['train_label'][at]]}/{known['train_within'][at]:04d}.jpg"
            shutil.copyfile(whole / "train" / source, half / name)
        half.rename(pool)
    columns = {"true": "train_label", **KINDS}
    return pool, {
        kind: {name: names[known[column][at]] for at, name in files.items()}
        for kind, column in columns.items()
    }


def found(named: set[str], wrong: set[str]) -> Row:
    """Return how many are named, the share of them that is wrong, and the share of the wrong that is named."""
    right = len(named & wrong)
    return {
        "suspects": len(named),
        "precision": f"{right / max(1, len(named)):.4f}",
        "recall": f"{right / len(wrong):.4f}",
    }


def cleaned(given: Mapping[str, str], suspects: list[dict[str, str]]) -> dict[str, str]:
    """Return the labels without suspects; those that the method replaces get its label."""
    left = dict(given)
    for one in suspects:
        if one["decision"] == "relabel":
            left[one["file_name"]] = one["suggested_label"]
        else:
            left.pop(one["file_name"])
    return left


def _trained(pool: Path, state: Path, labels: Mapping[str, str], seed: int) -> Row:
    """Train on labels in a state of their own, score all images; return the accuracy on the clean test images."""
    if not (state / "done").exists():
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(parents=True)
        with (state / "labels.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["file_name", "label"])
            writer.writerows(labels.items())
            writer.writerows(
                (f"test/{path.parent.name}/{path.name}", path.parent.name) for path in pool.glob("test/*/*")
            )
        where = [str(pool), "--state", str(state), "--quiet"]
        _alcli("init", *where, "--labels", str(state / "labels.csv"), "--val-fraction", "0")
        _alcli(
            "train",
            *where,
            "--model",
            "lenet",
            "--embedding",
            "none",
            "--epochs",
            str(_EPOCHS),
            "--seed",
            str(seed),
        )
        if state.name == "noisy":
            _alcli("score", *where)
        (state / "done").touch()
    (record,) = state.glob("**/model.json")
    metrics = json.loads(record.read_text(encoding="utf-8"))["metrics"]
    return {"test_accuracy": f"{metrics['test_accuracy']:.4f}"}


def _audited(pool: Path, state: Path, method: str) -> list[dict[str, str]]:
    """Return the rows of the list of suspects."""
    path = state / f"{method}.csv"
    if not path.exists():
        _alcli("audit", str(pool), "--state", str(state), "--quiet", "--method", method, "-o", str(path))
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _by_cleanlab(pool: Path, state: Path, given: Mapping[str, str]) -> set[str]:
    """Return what cleanlab by itself finds, with the embeddings that alcli saved."""
    from alcli import manifest as manifests
    from alcli import models
    from alcli.project import Project
    from alcli.signals import SignalStore
    from cleanlab.classification import CleanLearning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    project = Project(pool, state)
    manifest = manifests.read(project.manifest)
    rows = np.flatnonzero(manifest.labelled & manifest.equals("split", "train"))
    store = SignalStore(models.newest(project).signals(project))
    embeddings = store.read(["embeddings"], manifest.keys[rows])["embeddings"].astype(np.float64)
    judge = CleanLearning(make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), seed=0)
    issues = judge.find_label_issues(embeddings, manifest.label_codes[rows])["is_label_issue"].to_numpy()
    return {str(name) for name in manifest.strings("file_name", rows[issues])} & set(given)


def _alcli(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "alcli", *arguments], check=True, stdout=subprocess.DEVNULL)


def table(rows: list[dict[str, str]]) -> str:
    """Return means with 95 % intervals over the seeds as Markdown, in percent, a row for each method."""
    from alcli.verdict.curves import estimate
    from alcli.verdict.figures import percent

    figures = ("precision", "recall", "test_accuracy")
    headings = [f"{kind}: {figure.replace('_', ' ')}" for kind in KINDS for figure in figures]
    lines = [
        "| method |" + "".join(f" {heading} |" for heading in headings),
        "| --- |" + " ---: |" * len(headings),
    ]
    for method in (CHANCE, *METHODS, CLEANLAB, NOISY, TRUE):
        cells = []
        for kind in KINDS:
            mine = [row for row in rows if row["method"] == method and row["labels"] == kind]
            for figure in figures:
                values = np.array([float(row[figure]) for row in mine if row[figure]])
                cells.append(percent(estimate(values, 0.95)) if len(values) else "–")
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
