"""What the models say of images, and how sure they are of it: one number per image and method, higher is surer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from alcli import centres, inference, ranking
from alcli.errors import StepMissing
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.project import Project
from alcli.signals import SignalStore

Method = Literal["triplet-margin", "confidence", "entropy"]
Arrays = Mapping[str, NDArray[Any]]


class Judgements(NamedTuple):
    """What is said of n images.

    Attributes:
        labels: (n,) int32 codes into the manifest's classes; -1 for a class that the pool no longer has.
        sureness: (n,) float64. `confidence`: p1 in [0, 1]; `entropy`: -H in nats; `triplet-margin`: D2 - D1.
        confidence: (n,) float64 as it is written down: p1, or for `triplet-margin` D2 - D1.
        distance: (n,) float64 to the nearest class centre; 0 for the methods that measure none.
    """

    labels: NDArray[np.int32]
    sureness: NDArray[np.float64]
    confidence: NDArray[np.float64]
    distance: NDArray[np.float64]


class Judge(Protocol):
    """A method, ready to judge images by their stored signals."""

    signals: tuple[str, ...]

    def __call__(self, arrays: Arrays) -> Judgements:
        """Judge the rows of `arrays`, which holds `signals`."""
        ...


class Classifier:
    """By the classifier's calibrated probabilities."""

    def __init__(self, manifest: Manifest, record: ModelRecord, *, entropy: bool) -> None:
        self.signals = ("prediction", "confidence", *(["entropy"] if entropy else []))
        self.entropy = entropy
        position = {name: code for code, name in enumerate(manifest.classes)}
        # By name: the pool may have got classes after the model was trained.
        self.codes = np.array([position.get(name, -1) for name in record.classes], np.int32)

    def __call__(self, arrays: Arrays) -> Judgements:
        """Judge the rows of `arrays`."""
        confidence = arrays["confidence"].astype(np.float64)
        sureness = -arrays["entropy"].astype(np.float64) if self.entropy else confidence
        return Judgements(self.codes[arrays["prediction"]], sureness, confidence, np.zeros(len(confidence)))


class Triplet:
    """By the distances to the class centres in the embedding space of the triplet network.

    Attributes:
        reference: (l,) the labelled images' own distances to the nearest centre.
    """

    signals = ("triplet_embeddings",)

    def __init__(self, manifest: Manifest, store: SignalStore) -> None:
        rows = np.flatnonzero(teachers(manifest))
        labels = manifest.label_codes[rows]
        embeddings = store.read(self.signals, manifest.keys[rows])["triplet_embeddings"]
        self.centres = centres.centres_of(embeddings, labels, len(manifest.classes))
        self.reference = centres.nearest(embeddings, self.centres).first

    def __call__(self, arrays: Arrays) -> Judgements:
        """Judge the rows of `arrays`."""
        near = centres.nearest(arrays["triplet_embeddings"], self.centres)
        known = np.isfinite(near.second)  # with one centre there is no runner-up: the closest are surest
        margin = np.where(known, near.second, 0) - near.first
        return Judgements(near.labels, margin, margin, near.first)


def teachers(manifest: Manifest) -> NDArray[np.bool_]:
    """Return (n,) the labelled images that centres are made of; never those held out."""
    return manifest.labelled & manifest.equals("split", "train") & manifest.readable


def find(method: Method, project: Project, manifest: Manifest, record: ModelRecord, needed: NDArray[np.bool_]) -> Judge:
    """Return the judge for a method.

    Args:
        method: Its name.
        project: The pool.
        manifest: Its manifest.
        record: The model.
        needed: (n,) the images to judge.

    Raises:
        StepMissing: The model lacks a signal, an image was not scored, or no image is labelled.
    """
    store = SignalStore(record.signals(project))
    triplet = method == "triplet-margin"
    wanted = Triplet.signals if triplet else Classifier(manifest, record, entropy=method == "entropy").signals
    _require(project, manifest, record, store, wanted, needed | teachers(manifest) if triplet else needed)
    if not triplet:
        return Classifier(manifest, record, entropy=method == "entropy")
    if not teachers(manifest).any():
        raise StepMissing("no training image is labelled, so there are no class centres", hint="alcli import-labels")
    return Triplet(manifest, store)


def judge(judge_: Judge, store: SignalStore, keys: NDArray[np.uint64]) -> Judgements:
    """Judge the images `keys`, part by part, in memory that does not grow with the signals."""
    count = len(keys)
    whole = Judgements(np.full(count, -1, np.int32), np.zeros(count), np.zeros(count), np.zeros(count))
    for positions, arrays in store.chunks(judge_.signals, keys):
        for values, found in zip(whole, judge_(arrays), strict=True):
            values[positions] = found
    return whole
