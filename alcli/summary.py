"""Counts over the manifest, kept beside it as JSON so that `status` starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from alcli import files
from alcli.project import Project

if TYPE_CHECKING:
    from alcli.manifest import Manifest

PROBLEMS_KEPT = 10


def read(project: Project) -> dict[str, Any]:
    """Return the counts; the manifest itself is read only where they are out of date.

    Raises:
        StepMissing: There is no manifest.
        InputRejected: The counts are out of date and the manifest cannot be read.
    """
    if is_current(project):
        return dict(files.read_json(project.summary))
    project.require_manifest()
    from alcli import manifest as manifests

    return count(project, manifests.read(project.manifest))


def write(project: Project, manifest: Manifest) -> dict[str, Any]:
    """Count, save the counts and return them; `manifest` must be what is on the disk."""
    counts = count(project, manifest)
    files.write_json(project.summary, counts, flush=False)
    return counts


def is_current(project: Project) -> bool:
    """Return whether the saved counts are those of the manifest on the disk."""
    try:
        return list(files.read_json(project.summary)["signature"]) == _signature(project.manifest)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def count(project: Project, manifest: Manifest) -> dict[str, Any]:
    """Count what `status` shows."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(files.file_digest, project.manifest)
        counts = _counted(project, manifest)
    return {"signature": _signature(project.manifest), "digest": digest.result(), **counts}


def _counted(project: Project, manifest: Manifest) -> dict[str, Any]:
    from alcli import hindsight
    from alcli import manifest as manifests

    splits, statuses = _counts(manifest, "split"), _counts(manifest, "status")
    return {
        "round": manifest.round,
        "images": len(manifest),
        "splits": {name: splits.get(name, 0) for name in manifests.SPLITS},
        "statuses": {name: statuses.get(name, 0) for name in manifests.STATUSES},
        "labelled": int(manifest.labelled.sum()),
        "labelled_train": int((manifest.labelled & manifest.equals("split", "train")).sum()),
        "pseudo_labelled": int(manifest.filled("pseudo_label").sum()),
        "queryable": int(manifest.queryable.sum()),
        "out": int(manifest.out.sum()),
        "classes": _class_counts(manifest),
        "rounds_out": _counts(manifest, "queried_round"),
        "rounds_back": hindsight.back(project, manifest),
        "audits": hindsight.audits(project, manifest),
        "batch": hindsight.newest_batch(project, manifest),
        "problems": _problems(manifest),
    }


def _signature(path: Path) -> list[int]:
    """Return what tells one state of a file from another without reading it: its size and time."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _problems(manifest: Manifest) -> list[dict[str, str | None]]:
    """Return the first images that are not `ok`."""
    rows = (~manifest.equals("status", "ok")).nonzero()[0][:PROBLEMS_KEPT]
    columns = {name: manifest.strings(name, rows) for name in ("file_name", "status", "problem")}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _class_counts(manifest: Manifest) -> dict[str, dict[str, int]]:
    import numpy as np

    width = len(manifest.classes)
    labels, pseudo = manifest.label_codes, manifest.codes("pseudo_label")
    by_label = np.bincount(labels[labels >= 0], minlength=width)
    by_pseudo = np.bincount(pseudo[pseudo >= 0], minlength=width)
    return {
        name: {"labelled": int(a), "pseudo_labelled": int(b)}
        for name, a, b in zip(manifest.classes, by_label, by_pseudo, strict=True)
    }


def _counts(manifest: Manifest, column: str) -> dict[str, int]:
    counted = manifest.table[column].value_counts().to_pylist()
    pairs = sorted((entry["values"], entry["counts"]) for entry in counted if entry["values"] is not None)
    return {str(value): number for value, number in pairs}
