"""What the models say of images, and how sure they are: one number per image and method, higher is surer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from alcli import identity, inference, models, uncertainty
from alcli.errors import StepMissing
from alcli.geometry import centres
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.project import Project
from alcli.signals import SignalStore

Method = Literal["triplet-margin", "confidence", "entropy"]
Arrays = Mapping[str, NDArray[Any]]
DECIMALS = 10  # to which scores are compared, as everywhere in ranking


class Judgements(NamedTuple):
    """What is said of n images.

    Attributes:
        labels: (n,) int32 codes into the manifest's classes; -1 for a class that the pool no longer has.
        sureness: (n,) float64 at 10 decimals. `confidence`: p1 in [0, 1]; `entropy`: -H in nats;
            `triplet-margin`: D2 - D1 in embedding units, or -D1 where one class only is labelled.
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

    signals: tuple[str, ...] = ("triplet_embeddings",)

    def __init__(self, manifest: Manifest, store: SignalStore) -> None:
        rows = np.flatnonzero(teachers(manifest))
        labels = manifest.label_codes[rows]
        embeddings = store.read(self.signals, manifest.keys[rows])["triplet_embeddings"]
        self.centres = centres.centres_of(embeddings, labels, len(manifest.classes))
        self.reference = self._nearest(embeddings).first

    def __call__(self, arrays: Arrays) -> Judgements:
        """Judge the rows of `arrays`."""
        near = self._nearest(arrays["triplet_embeddings"])
        known = np.isfinite(near.second)  # with one centre there is no runner-up: the closest are surest
        margin = np.where(known, near.second, 0) - near.first
        return Judgements(near.labels, margin, margin, near.first)

    def _nearest(self, embeddings: NDArray[Any]) -> centres.Nearest:
        pieces = [
            centres.nearest(embeddings[block], self.centres)
            for block in uncertainty.blocks(*embeddings.shape)
        ]
        return centres.Nearest(*map(np.concatenate, zip(*pieces, strict=True)))


def teachers(manifest: Manifest) -> NDArray[np.bool_]:
    """Return (n,) the labelled images that centres are made of; never those held out."""
    return manifest.labelled & manifest.equals("split", "train") & manifest.readable


def find(
    method: Method, project: Project, manifest: Manifest, record: ModelRecord, needed: NDArray[np.bool_]
) -> Judge:
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
    if method != "triplet-margin":
        classifier = Classifier(manifest, record, entropy=method == "entropy")
        _require(project, manifest, record, signals=classifier.signals, needed=needed)
        return classifier
    known = teachers(manifest)
    _require(project, manifest, record, signals=Triplet.signals, needed=needed | known)
    if not known.any():
        raise StepMissing(
            "no training image is labelled, so there are no class centres",
            hint=project.command("import-labels", "LABELS.csv"),
        )
    return Triplet(manifest, SignalStore(record.signals(project)))


def judge(judge_: Judge, store: SignalStore, keys: NDArray[np.uint64]) -> Judgements:
    """Judge the images `keys`, part by part, in memory that does not grow with the signals.

    Raises:
        InputRejected: A signal is not finite; the images are named.
    """
    count = len(keys)
    whole = Judgements(np.full(count, -1, np.int32), np.zeros(count), np.zeros(count), np.zeros(count))
    for positions, arrays in store.chunks(judge_.signals, keys):
        found = judge_(arrays)
        for name in Judgements._fields:
            getattr(whole, name)[positions] = getattr(found, name)
    ids = identity.ids_of(keys)
    uncertainty.refuse(~np.isfinite(whole.sureness), "signals are not finite", lambda row: str(ids[row]))
    return whole._replace(sureness=np.round(whole.sureness, DECIMALS))


def _require(
    project: Project,
    manifest: Manifest,
    record: ModelRecord,
    *,
    signals: Sequence[str],
    needed: NDArray[np.bool_],
) -> None:
    """Check that every needed image has the signals, and of the file as it is now."""
    store = SignalStore(record.signals(project))
    again = ("--from", "OUTPUTS.parquet") if record.external else ()
    if not store:
        raise StepMissing(f"model {record.id} has scored nothing yet", hint=project.command("score", *again))
    missing = [name for name in signals if name not in store.shapes]
    if missing:
        what = f"model {record.id} gives no {', '.join(missing)}"
        if "triplet_embeddings" in missing and not record.external:
            raise models.triplets_missing(project, manifest, what)
        raise StepMissing(what, hint=project.command("score", *again))
    rows = np.flatnonzero(needed)
    stale = rows[store.locate(manifest.keys[rows]) < 0]
    if not record.external:
        stale = inference.stale_rows(manifest, rows, store)
    if len(stale):
        raise StepMissing(
            f"{len(stale)} images have no signals of model {record.id}", hint=project.command("score", *again)
        )
