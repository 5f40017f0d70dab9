"""What the newest audit says of the labels: how many are wrong, of whom and of which class, and the first suspects."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from alcli import auditing, rounds, tables
from alcli.errors import AlcliError
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.reporting.newest import Withheld
from alcli.reporting.page import ErrorRate, LabelQuality, Suspect

MOST = 20


def label_quality(
    project: Project, manifest: Manifest, withheld: Withheld, *, digest: str
) -> LabelQuality | None:
    """Return what the newest audit found, as yet without thumbnails; None where there is no audit.

    Args:
        project: The pool.
        manifest: Its manifest.
        withheld: What must not be shown.
        digest: Of the manifest, which may have changed since the audit.
    """
    found = auditing.newest(project)
    if not found:
        return None
    errors = found["errors"]
    suspects = _suspects(project, manifest, withheld, found["audit"])
    return LabelQuality(
        about=_told(found, stale=found["manifest"] != digest),
        suspected=found["suspects"],
        labels=found["labels"],
        overall=_rate("all labels", errors["overall"]),
        by_class=_rates(errors["by_class"]),
        by_annotator=_rates(errors["by_annotator"]),
        suspects=suspects,
    )


def with_thumbnails(quality: LabelQuality, urls: Mapping[str, str]) -> LabelQuality:
    """Return the section with thumbnails by file name."""
    suspects = [dataclasses.replace(one, thumbnail=urls.get(one.file_name, "")) for one in quality.suspects]
    return dataclasses.replace(quality, suspects=suspects)


def _told(found: dict[str, Any], *, stale: bool) -> str:
    """Say in a line what was judged, and how."""
    told = f"audit {found['audit']} by {found['request']['method']} with model {found['model']}"
    return f"{told}; the manifest has changed since" if stale else told


def _rates(group: dict[str, dict[str, Any]]) -> list[ErrorRate]:
    """Return the rates of a group, the largest first."""
    return sorted((_rate(*item) for item in group.items()), key=lambda one: (-(one.rate or 0), one.name))


def _rate(name: str, found: dict[str, Any]) -> ErrorRate:
    return ErrorRate(name, found["n"], found["wrong"], found["rate"], found["low"], found["high"])


def _suspects(project: Project, manifest: Manifest, withheld: Withheld, number: int) -> list[Suspect]:
    """Return the most suspicious labels; none where the list was deleted or damaged.

    Those whose label must not be shown, as people are to confirm or correct it now, are not among them.
    """
    try:
        columns = tables.read_table(auditing.listing(project, number), kind="csv").columns
        listed = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        doubted = [line for line in listed if line["decision"] != "keep"]
        rows = rounds.rows_of(manifest, [line["alcli_id"] or "" for line in doubted])
        shown = np.flatnonzero((rows < 0) | ~withheld.labels[rows])[:MOST]
        doubted, rows = [doubted[at] for at in shown], rows[shown]
        names = manifest.strings("file_name", np.maximum(rows, 0))
        return [
            Suspect(
                file_name=str(name if row >= 0 else line["file_name"]),
                thumbnail="",
                label=line["label"] or "",
                suggested=None if row < 0 or withheld.guesses[row] else line["suggested_label"],
                decision=line["decision"] or "",
                annotator=line["annotator"],
            )
            for line, row, name in zip(doubted, rows.tolist(), names, strict=True)
        ]
    except (AlcliError, KeyError, ValueError):
        return []
