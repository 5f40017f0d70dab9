"""Labelled images that may be sent out again: how far their labels can be trusted, by votes and by a judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import identity, votebook
from alcli.choosing.source import Source
from alcli.fingerprint import Fingerprint
from alcli.quality import consensus, crossfit
from alcli.quality.consensus import Opinions
from alcli.quality.votes import Votes

Codes = NDArray[np.int64]
Chunks = Iterable[tuple[Codes, dict[str, NDArray[Any]]]]


@dataclass(frozen=True)
class Judged:
    """What is thought of the labels of the images that a strategy may learn from, and by whom.

    Attributes:
        rows: (l,) rows of the manifest, ascending.
        opinions: Of these rows.
        classes: How many classes they were judged among.
        judge: What thinks about images without a label what a judge of its kind thought of those with one.
    """

    rows: Codes
    opinions: Opinions
    classes: int
    judge: crossfit.Judge

    @property
    def options(self) -> dict[str, float]:
        """The options of `activelab` that these opinions settle."""
        found = self.opinions
        return {
            "model_weight": found.model,
            "annotator_weight": float(found.annotators.mean()),
            "temperature": found.temperature,
        }

    def probabilities(self, chunks: Chunks) -> Iterator[tuple[Codes, dict[str, NDArray[Any]]]]:
        """Turn chunks of `embeddings` into what the judge thinks of these images: `probabilities`."""
        for positions, arrays in chunks:
            yield positions, {"probabilities": self.judge(arrays["embeddings"])}


def judge(source: Source, fingerprint: Fingerprint, *, seed: int) -> Judged:
    """Judge the labels there are.

    One kind of judge speaks about labelled and unlabelled images, among the same classes, for ActiveLab puts what
    it says of both in one list, and fits the weight and the temperature of this judge on the labelled: a logistic
    regression on the embeddings. Labelled images are judged by one that was fitted on the others, so that none is
    judged by what learned its label, and unlabelled ones by one that was fitted on all of them. The network's own
    probabilities would not do: it has learned the labels, and how far it is right elsewhere does not follow from
    them. Only the embeddings come from it.

    Args:
        source: The pool; its labelled images have embeddings.
        fingerprint: Takes down what was read.
        seed: Of the cross-fitting.
    """
    rows, codes, classes = source.teachers, source.teacher_codes, len(source.classes)
    keys = source.manifest.keys[rows]
    arrays = source.store.read(["embeddings"], keys)
    fingerprint.add(keys, arrays)
    embeddings = arrays["embeddings"]
    probabilities = crossfit.probabilities(embeddings, codes, classes, keys=keys, seed=seed)
    return Judged(
        rows,
        consensus.opinions(_votes(source), probabilities),
        classes,
        crossfit.judge_of_others(embeddings, codes, classes, keys=keys),
    )


def _votes(source: Source) -> Votes:
    """Return the class that each annotator gave each teacher.

    A label that no named annotator answers for counts as the only answer of where it came from.
    """
    manifest, rows = source.manifest, source.teachers
    cast = votebook.last_words(votebook.read(source.project, manifest))
    at = _places(manifest.keys[rows], identity.keys_of(cast["alcli_id"]))
    names, people = _coded(cast["annotator"])
    labels, codes = _coded(cast["label"])
    known = {name: code for code, name in enumerate(source.classes)}
    codes = np.array([known.get(label, -1) for label in labels], np.int64)[codes]
    counts = (at >= 0) & (codes >= 0)
    at, people, codes = at[counts], people[counts], codes[counts]
    silent = np.setdiff1d(np.arange(len(rows)), at)
    origins = [origin or "" for origin in manifest.strings("label_source", rows[silent])]
    _, places = np.unique(origins, return_inverse=True)
    _, voters = np.unique(np.concatenate([people, len(names) + places]), return_inverse=True)
    codes = np.concatenate([codes, source.teacher_codes[silent]])
    return Votes.of(np.concatenate([at, silent]), voters, codes)


def _places(keys: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> Codes:
    """Return (w,) where each of `wanted` stands in `keys`, one or more; -1 where it does not."""
    order = np.argsort(keys)
    at = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    return np.where(keys[at] == wanted, at, -1)


def _coded(column: Any) -> tuple[list[str], Codes]:
    """Return the different values of an Arrow column of strings, ascending, and (v,) which of them each entry is."""
    encoded = column.combine_chunks().dictionary_encode()
    names, place = np.unique(np.array(encoded.dictionary.to_pylist(), object), return_inverse=True)
    return names.tolist(), place[encoded.indices.to_numpy()]
