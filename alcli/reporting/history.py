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
    records = {number: rounds.about(project, number) for number in range(1, manifest.round + 1)}
    classes = _labels_after(manifest, records)
    audits = {
        audit["round"]: (audit["accuracy"], audit["low"], audit["high"])
        for audit in hindsight.audits(project, manifest)
    }
    known = {record.id: record for record in models.all_models(project)}
    first = RoundLine(0, "", 0, int(classes[0].sum()), None, "", None, classes[0].tolist(), None)
    return [
        first,
        *(_line(manifest, number, records, classes[number], audits, known) for number in records),
    ]


def accuracy_of(record: ModelRecord | None) -> tuple[float | None, str]:
    """Return a model's accuracy on held-out images and their split; None and "" where it was not measured."""
    metrics = record.about.get("metrics", {}) if record else {}
    for split in SPLIT_NAMES:
        if (accuracy := metrics.get(f"{split}_accuracy")) is not None:
            return float(accuracy), split
    return None, ""


def _labels_after(manifest: Manifest, records: dict[int, dict[str, Any]]) -> NDArray[np.int64]:
    """Return (rounds + 1, c) labels of the train split by class when the next round was selected, of the newest now.

    The next round's record counted them. Where it was deleted, or an older alcli wrote it, they are counted by the
    round of which each image has its label now.
    """
    codes = manifest.label_codes
    rows = np.flatnonzero(manifest.equals("split", "train") & (codes >= 0))
    given = manifest.table["label_round"].fill_null(0).to_numpy()[rows].clip(0, manifest.round)
    counts = np.zeros((manifest.round + 1, len(manifest.classes)), np.int64)
    np.add.at(counts, (given, codes[rows]), 1)
    counts = counts.cumsum(axis=0)
    for number, about in records.items():
        counted = (about.get("statistics") or {}).get("classes")
        if counted is not None:
            counts[number - 1] = [counted.get(name, 0) for name in manifest.classes]
    return counts


def _line(
    manifest: Manifest,
    number: int,
    records: dict[int, dict[str, Any]],
    classes: NDArray[np.int64],
    audits: Audits,
    known: dict[str, ModelRecord],
) -> RoundLine:
    about = records[number]
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
        withdrawn=_withdrawn(manifest, number, records),
    )


def _withdrawn(manifest: Manifest, number: int, records: dict[int, dict[str, Any]]) -> bool:
    """Return whether a later round took the place of one of which no label came back."""
    if manifest.equals("label_round", number).any():
        return False
    return any(number in about.get("replaced", ()) for other, about in records.items() if other > number)


def _selected(manifest: Manifest, number: int, about: dict[str, Any]) -> int:
    if "counts" in about:
        return int(about["counts"]["images"] + about["counts"].get("gold", 0))
    return int((manifest.equals("queried_round", number) | manifest.equals("label_round", number)).sum())
