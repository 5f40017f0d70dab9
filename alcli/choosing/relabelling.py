"""Labelled images that may be sent out again: how far their labels can be trusted, by votes and by a judge."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import identity, votebook
from alcli.choosing.source import Source
from alcli.fingerprint import Fingerprint
from alcli.quality import consensus, crossfit
from alcli.quality.consensus import Opinions

Floats = NDArray[np.float64]

logger = logging.getLogger("alcli")


@dataclass(frozen=True)
class Judged:
    """What is thought of the labels of the images that a strategy may learn from.

    Attributes:
        rows: (l,) rows of the manifest, ascending.
        opinions: Of these rows.
        classes: How many classes they were judged among.
    """

    rows: NDArray[np.int64]
    opinions: Opinions
    classes: int

    @property
    def options(self) -> dict[str, float]:
        """The options of `activelab` that these opinions settle."""
        found = self.opinions
        return {
            "model_weight": found.model,
            "annotator_weight": float(found.annotators.mean()),
            "temperature": found.temperature,
        }


def judge(source: Source, fingerprint: Fingerprint, *, seed: int) -> Judged:
    """Judge the labels there are.

    The probabilities are out of sample: a judge of the embeddings is fitted on the other labelled images, so no
    image is judged by what learned its label. Only the embeddings themselves come from a network that may have.

    Args:
        source: The pool; its labelled images have embeddings.
        fingerprint: Takes down what was read.
        seed: Of the cross-fitting.
    """
    rows = source.teachers
    keys = source.manifest.keys[rows]
    arrays = source.store.read(["embeddings"], keys)
    fingerprint.add(keys, arrays)
    classes = len(source.classes)
    probabilities = crossfit.probabilities(
        arrays["embeddings"], source.teacher_codes, classes, keys=keys, seed=seed
    )
    return Judged(rows, consensus.opinions(_votes(source), probabilities), classes)


def _votes(source: Source) -> Floats:
    """Return (l, m) the class that each annotator gave each teacher; NaN where one gave none.

    A label that no named annotator answers for counts as the only answer of where it came from.
    """
    manifest, rows = source.manifest, source.teachers
    votes = votebook.last_words(votebook.read(source.project, manifest))
    codes = {name: code for code, name in enumerate(source.classes)}
    place = {int(key): at for at, key in enumerate(manifest.keys[rows])}
    columns = (
        identity.keys_of(votes["alcli_id"]),
        votes["annotator"].to_pylist(),
        votes["label"].to_pylist(),
    )
    cast = [
        (place[int(key)], ("by", name), codes[label])
        for key, name, label in zip(*columns, strict=True)
        if int(key) in place and label in codes
    ]
    answered = {at for at, _, _ in cast}
    origins: list[Any] = manifest.strings("label_source", rows)
    cast += [
        (at, ("from", origins[at] or ""), int(code))
        for at, code in enumerate(source.teacher_codes.tolist())
        if at not in answered
    ]
    people = {name: at for at, name in enumerate(sorted({name for _, name, _ in cast}))}
    matrix = np.full((len(rows), len(people)), np.nan)
    for at, name, code in cast:
        matrix[at, people[name]] = code
    return matrix
