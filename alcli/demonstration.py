"""The whole loop on real images: scikit-learn's handwritten digits, from an empty folder.

Two states of one pool go round side by side, one selecting by margin, one at random. The known labels
play the people who label.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alcli import (
    intake,
    labelling,
    models,
    pseudolabelling,
    scoring,
    selection,
    training,
)
from alcli import (
    manifest as manifests,
)
from alcli.errors import UsageError
from alcli.progress import Progress, silent
from alcli.project import Project
from alcli.randomness import derive_seed
from alcli.request import Request

ROUNDS = 3
STRATEGIES = ("margin", "random")
_LABELLED_PER_CLASS = 5
_TEST = 500
_BATCH = 50
_SURE = 0.99


@dataclass(frozen=True)
class Line:
    """How one strategy stands after a round.

    Attributes:
        round: 0 is the start.
        labels: Labels given by people, those held out for validation included.
        pseudo_labels: Images that the model labelled by itself, and was then trained on.
        precision: Share of these that are right; None where there are none.
        accuracy: On the test images.
    """

    round: int
    labels: int
    pseudo_labels: int
    precision: float | None
    accuracy: float


@dataclass(frozen=True)
class Demonstration:
    """What the demonstration leaves behind.

    Attributes:
        pool: The image folder, for the reader to play with.
        answers: The true label of every image that had none, a CSV file.
        lines: By strategy, a line for the start and one for each round.
    """

    pool: Path
    answers: Path
    lines: dict[str, list[Line]]


def demonstrate(folder: Path, *, seed: int = 0, progress: Progress = silent) -> Demonstration:
    """Write the digits to `folder` and go round three times by each strategy.

    Raises:
        UsageError: `folder` exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already", hint=f"alcli demo {folder}-2, or remove it first")
    pool, answers = folder / "images", folder / "answers.csv"
    truth = _write_digits(pool, answers, seed)
    states = {"margin": pool, "random": folder / "random"}
    lines = {
        strategy: _go_round(Project.open(pool, state), strategy, truth, seed=seed, progress=progress)
        for strategy, state in states.items()
    }
    return Demonstration(pool, answers, lines)


def _go_round(
    project: Project, strategy: str, truth: dict[str, str], *, seed: int, progress: Progress
) -> list[Line]:
    """Run the loop as a script of the commands would; return a line a round."""
    intake.take_in(project, intake.Request(seed=seed))
    lines = []
    for number in range(ROUNDS + 1):
        trained = training.train(
            project, training.Options(use_pseudo_labels=True, embedding="none", seed=seed), progress=progress
        )
        lines.append(_line(project, number, truth, float(trained.metrics["test_accuracy"])))
        if number == ROUNDS:
            return lines
        scoring.score(project, models.newest(project), progress=progress)
        selected = selection.select(project, Request(strategy, k=str(_BATCH), seed=seed))
        answered = project.pool.with_name(f"{strategy}-{selected.round}.csv")
        _answer(selected.path, answered, truth)
        labelling.import_labels(project, answered)
        pseudolabelling.pseudolabel(project, pseudolabelling.Rule("confidence", threshold=_SURE), clear=True)
    return lines


def _line(project: Project, number: int, truth: dict[str, str], accuracy: float) -> Line:
    manifest = manifests.read(project.manifest)
    rows = np.flatnonzero(manifest.filled("pseudo_label"))
    names, guesses = manifest.strings("file_name", rows), manifest.strings("pseudo_label", rows)
    right = sum(truth[str(name)] == guess for name, guess in zip(names, guesses, strict=True))
    people = manifest.labelled & ~manifest.equals("split", "test")
    return Line(number, int(people.sum()), len(rows), right / len(rows) if len(rows) else None, accuracy)


def _answer(listing: Path, answered: Path, truth: dict[str, str]) -> None:
    """Fill in the labels of a selection, as people would, in a copy of it."""
    with listing.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = truth[row["file_name"]]
    _write_csv(answered, rows)


def _write_digits(pool: Path, answers: Path, seed: int) -> dict[str, str]:
    """Write the 1,797 images, a few of them labelled; return the truth about the others."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    classes = [str(digit) for digit in digits.target]
    order = np.random.default_rng(derive_seed(seed, "demo")).permutation(len(classes))
    left = dict.fromkeys(classes, _LABELLED_PER_CLASS)
    truth = {}
    for place, index in enumerate(order):
        name = classes[index]
        if place < _TEST:
            folder = f"test/{name}"
        elif left[name]:
            left[name] -= 1
            folder = f"train/{name}"
        else:
            folder = "train/unlabelled"
            truth[f"{folder}/{index:04d}.png"] = name
        path = pool / folder / f"{index:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[index] * 255 / 16).astype(np.uint8)).save(path)
    _write_csv(answers, [{"file_name": path, "label": name} for path, name in sorted(truth.items())])
    return truth


def _write_csv(path: Path, rows: Sequence[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
