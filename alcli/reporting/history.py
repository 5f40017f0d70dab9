"""What happened over time: a line per round, from the manifest's labels and the records of rounds and models."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import hindsight, models, rounds
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.project import Project
from alcli.reporting.page import RoundLine

Audits = dict[int, tuple[float, float, float]]

# Held out, the better estimate first: nothing was chosen by test images.
SPLIT_NAMES = {"test": "test", "val": "validation"}


def history(project: Project, manifest: Manifest) -> list[RoundLine]:
    """Return the state before the first round, and every round, oldest first; nothing without images.

    Of a round whose folder was deleted the manifest still knows the labels and the images that are out.
    """
    if not len(manifest):
        return []
    classes = _labels_after(manifest)
    audits = {
        audit["round"]: (audit["accuracy"], audit["low"], audit["high"])
        for audit in hindsight.audits(project, manifest)
    }
    known = {record.id: record for record in models.all_models(project)}
    first = RoundLine(0, "", 0, int(classes[0].sum()), None, "", None, classes[0].tolist(), None)
    return [
        first,
        *(
            _line(project, manifest, number, classes[number], audits, known)
            for number in range(1, manifest.round + 1)
        ),
    ]


def accuracy_of(record: ModelRecord | None) -> tuple[float | None, str]:
    """Return a model's accuracy on held-out images and their split; None and "" where it was not measured."""
    metrics = record.about.get("metrics", {}) if record else {}
    for split in SPLIT_NAMES:
        if (accuracy := metrics.get(f"{split}_accuracy")) is not None:
            return float(accuracy), split
    return None, ""


def _labels_after(manifest: Manifest) -> NDArray[np.int64]:
    """Return (rounds + 1, c) labels of the train split by class, once each round was back."""
    codes = manifest.label_codes
    rows = np.flatnonzero(manifest.equals("split", "train") & (codes >= 0))
    given = manifest.table["label_round"].fill_null(0).to_numpy()[rows].clip(0, manifest.round)
    counts = np.zeros((manifest.round + 1, len(manifest.classes)), np.int64)
    np.add.at(counts, (given, codes[rows]), 1)
    return counts.cumsum(axis=0)


def _line(
    project: Project,
    manifest: Manifest,
    number: int,
    classes: NDArray[np.int64],
    audits: Audits,
    known: dict[str, ModelRecord],
) -> RoundLine:
    about = rounds.about(project, number)
    model: str | None = about.get("model")
    accuracy, measured_on = accuracy_of(known.get(model or ""))
    return RoundLine(
        number=number,
        strategy=about.get("strategy", ""),
        selected=_selected(manifest, number, about),
        labels=int(classes.sum()),
        accuracy=accuracy,
        measured_on=measured_on,
        audit=audits.get(number),
        classes=classes.tolist(),
        model=model,
        withdrawn=_withdrawn(project, manifest, number),
    )


def _withdrawn(project: Project, manifest: Manifest, number: int) -> bool:
    """Return whether a later round took the place of one of which no label came back."""
    if manifest.equals("label_round", number).any():
        return False
    later = (rounds.about(project, other) for other in range(number + 1, manifest.round + 1))
    return any(number in about.get("replaced", ()) for about in later)


def _selected(manifest: Manifest, number: int, about: dict[str, Any]) -> int:
    if "counts" in about:
        return int(about["counts"]["images"])
    return int((manifest.equals("queried_round", number) | manifest.equals("label_round", number)).sum())
