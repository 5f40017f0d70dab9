"""What is known about labels before a verdict: two out-of-sample opinions about each, from the newest model's signals.

L, the label-quality model, is a logistic regression on the stored embeddings, cross-fitted. C, the classifier, is
the trained network itself, by its stored probabilities, for the images whose labels it did not learn from. For
those it did learn from, its probabilities would repeat the label: there C is a vote of the nearest embeddings,
cross-fitted too, a judge of another kind than L.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alcli import inference, models
from alcli.errors import InputRejected, StepMissing
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.project import Project
from alcli.quality import crossfit
from alcli.signals import SignalStore

Rows = NDArray[np.int64]
Probabilities = NDArray[np.float64]


class TooFewLabels(InputRejected):
    """A class has one labelled image only, or there is but one class: nothing can be judged out of sample."""


@dataclass(frozen=True)
class Evidence:
    """Opinions about n labels.

    Attributes:
        model: Id of the model whose signals were used.
        classes: Class names, c of them.
        rows: (n,) rows of the manifest, ascending.
        keys: (n,) keys of the images.
        codes: (n,) class codes of the labels that are judged.
        label_model: (n, c) probabilities of L.
        classifier: (n, c) probabilities of C.
        network: (n,) where C is the trained network; elsewhere it is the nearest neighbours' vote.
        bent: Whether the embeddings were learned with some of these labels, so that they may repeat wrong ones.
    """

    model: str
    classes: tuple[str, ...]
    rows: Rows
    keys: NDArray[np.uint64]
    codes: Rows
    label_model: Probabilities
    classifier: Probabilities
    network: NDArray[np.bool_]
    bent: bool

    @property
    def belief(self) -> Probabilities:
        """(n, c) the mean of both judges' probabilities."""
        return np.asarray((self.label_model + self.classifier) / 2)


def gather(project: Project, manifest: Manifest, rows: Rows, *, seed: int = 0) -> Evidence:
    """Form both opinions about the human labels of `rows`, ascending, in `manifest`, which need not be on the disk.

    Raises:
        StepMissing: There is no model, it gave no embeddings, or some of the images have no signals.
        TooFewLabels: A class has one image only, or there is but one class.
    """
    record = models.newest(project)
    store = _store(project, manifest, record, rows)
    codes = manifest.label_codes[rows].astype(np.int64)
    _check_classes(project, manifest, codes)
    keys, classes = manifest.keys[rows], len(manifest.classes)
    embeddings = store.read(["embeddings"], keys)["embeddings"]
    unseen = _unseen(record, store, manifest, codes, keys)
    label_model = crossfit.probabilities(embeddings, codes, classes, keys=keys, seed=seed)
    classifier = np.zeros((len(rows), classes))
    if not unseen.all():
        classifier = crossfit.neighbour_probabilities(embeddings, codes, classes, keys=keys, seed=seed)
    if unseen.any():
        classifier[unseen] = _network(record, store, manifest, keys[unseen])
    return Evidence(
        model=record.id,
        classes=manifest.classes,
        rows=rows,
        keys=keys,
        codes=codes,
        label_model=label_model,
        classifier=classifier,
        network=unseen,
        bent=not unseen.all() and models.repeats_labels(project, record),
    )


def _store(project: Project, manifest: Manifest, record: ModelRecord, rows: Rows) -> SignalStore:
    """Return the model's signals, which must have the embeddings of all `rows`."""
    store = SignalStore(record.signals(project))
    again = ("--from", "OUTPUTS.parquet") if record.external else ()
    hint = project.command("score", *again)
    if not store:
        raise StepMissing(f"model {record.id} has scored nothing yet", hint=hint)
    if "embeddings" not in store.shapes:
        raise StepMissing(f"model {record.id} gives no embeddings, and labels are judged by them", hint=hint)
    stale = rows[store.locate(manifest.keys[rows]) < 0]
    if not record.external:
        stale = inference.stale_rows(manifest, rows, store)
    if len(stale):
        raise StepMissing(
            f"{len(stale)} of the {len(rows)} images have no signals of model {record.id}",
            hint=hint,
            details=[str(name) for name in manifest.strings("file_name", stale)],
        )
    return store


def _check_classes(project: Project, manifest: Manifest, codes: Rows) -> None:
    """Check that each label can be compared with others of its class and of another."""
    present, counts = np.unique(codes, return_counts=True)
    single = [manifest.classes[code] for code in present[counts < 2]]
    hint = project.command("select", "--strategy", "random", "-k", "100")
    if single:
        raise TooFewLabels(
            f"{len(single)} classes have one labelled image, and judging labels takes two: "
            + ", ".join(single[:10])
            + (", …" if len(single) > 10 else ""),
            hint=f"{hint}, and label those",
            details=single,
        )
    if len(present) < 2:
        what = (
            f"all {len(codes)} labels are '{manifest.classes[present[0]]}'"
            if len(codes)
            else "no label is there"
        )
        raise TooFewLabels(f"{what}: judging labels takes two classes", hint=f"{hint}, and label those")


def _unseen(
    record: ModelRecord, store: SignalStore, manifest: Manifest, codes: Rows, keys: NDArray[np.uint64]
) -> NDArray[np.bool_]:
    """Return (n,) the images about which the network has an opinion of its own.

    It has none at all if it does not say what it learned from, does not know all the classes, or if not all of
    its probabilities are stored.
    """
    learned = models.learned(record)
    present = {manifest.classes[code] for code in np.unique(codes)}
    whole = store.shapes.get("probabilities") == (len(record.classes),)
    if learned is None or not whole or not present <= set(record.classes):
        return np.zeros(len(keys), np.bool_)
    return ~np.isin(keys, learned)


def _network(
    record: ModelRecord, store: SignalStore, manifest: Manifest, keys: NDArray[np.uint64]
) -> Probabilities:
    """Return the network's probabilities in the order of the manifest's classes."""
    stored = store.read(["probabilities"], keys)["probabilities"]
    position = {name: code for code, name in enumerate(manifest.classes)}
    known = [code for code, name in enumerate(record.classes) if name in position]
    found = np.zeros((len(keys), len(manifest.classes)))
    found[:, [position[record.classes[code]] for code in known]] = stored[:, known]
    return found
