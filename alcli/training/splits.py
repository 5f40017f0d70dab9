"""Which images a network learns from, and which it is judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alcli import files
from alcli.errors import InputRejected, StepMissing
from alcli.manifest import SPLITS, Manifest
from alcli.project import Project

WHOLE_POOL = "pool"  # among the splits of a job: all readable images of `train`, labelled or not


@dataclass(frozen=True)
class Split:
    """Labelled images of one split.

    Attributes:
        rows: (n,) rows of the manifest, ascending.
        codes: (n,) class codes; -1 for none, in the whole pool alone.
        given_by_model: (n,) whether the label is a pseudo-label.
    """

    rows: NDArray[np.int64]
    codes: NDArray[np.int64]
    given_by_model: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def pseudo(self) -> int:
        """How many of the labels a model gave."""
        return int(self.given_by_model.sum())

    def only(self, kept: NDArray[np.bool_]) -> Split:
        """Return the split with only those images for which `kept` (n,) is true."""
        return Split(self.rows[kept], self.codes[kept], self.given_by_model[kept])


def labelled_splits(manifest: Manifest, *, use_pseudo_labels: bool) -> dict[str, Split]:
    """Return the labelled, readable images of each split; pseudo-labels count in `train` alone."""
    codes = manifest.label_codes.astype(np.int64)
    usable, declined = manifest.readable, manifest.equals("status", "skipped")
    splits = {}
    for name in SPLITS:
        mine = usable & manifest.equals("split", name)
        own, pseudo = codes, np.zeros(len(codes), np.bool_)
        if use_pseudo_labels and name == "train":
            pseudo = mine & ~declined & (codes < 0) & (manifest.codes("pseudo_label") >= 0)
            own = np.where(pseudo, manifest.codes("pseudo_label"), codes)
        rows = np.flatnonzero(mine & (own >= 0))
        splits[name] = Split(rows, own[rows], pseudo[rows])
    return splits


def whole_pool(manifest: Manifest, train: Split) -> Split:
    """Return all readable images of the train split, with the labels that `train` has."""
    codes = np.full(len(manifest), -1)
    pseudo = np.zeros(len(manifest), np.bool_)
    codes[train.rows], pseudo[train.rows] = train.codes, train.given_by_model
    rows = np.flatnonzero(manifest.readable & manifest.equals("split", "train"))
    return Split(rows, codes[rows], pseudo[rows])


def check_trainable(project: Project, manifest: Manifest, train: Split) -> None:
    """Check that there is something to learn.

    Raises:
        StepMissing: No image is labelled.
        InputRejected: All labels are of one class.
    """
    if not len(train):
        raise StepMissing(
            f"no readable image in {project.pool} has a label yet, so there is nothing to train on",
            hint=f"{project.command('init', '--labels', 'FILE')}, or "
            f"{project.command('select', '--strategy', 'random', '-k', '100')} and label those",
        )
    present = np.unique(train.codes)
    if len(present) < 2:
        raise InputRejected(
            f"all {len(train)} labelled images are of one class, '{manifest.classes[present[0]]}'; "
            "training needs two classes",
            hint=project.command("select", "--strategy", "random", "-k", "100")
            if manifest.queryable.any()
            else f"{project.command('init', '--labels', 'FILE')}, or a folder of another class",
        )


def labels_digest(manifest: Manifest, train: Split) -> str:
    """Return a digest of the ids and labels trained on; it does not change with the order of files."""
    ids = manifest.strings("alcli_id", train.rows)
    names = [manifest.classes[code] if code >= 0 else "" for code in train.codes]
    pairs = sorted(f"{one}\t{name}" for one, name in zip(ids, names, strict=True))
    return files.digest(*pairs, *manifest.classes)


def content_digest(manifest: Manifest, splits: dict[str, Split]) -> str:
    """Return a digest of all in the manifest that a trained model depends on: files' sizes, and who gave labels."""
    parts = [labels_digest(manifest, split) for split in splits.values()]
    for split in splits.values():
        order = np.argsort(manifest.keys[split.rows])
        numbers = [manifest.table[column].to_numpy()[split.rows][order] for column in ("size", "mtime_ns")]
        parts.append(files.digest(*(values.tobytes() for values in (*numbers, split.given_by_model[order]))))
    return files.digest(*parts)
