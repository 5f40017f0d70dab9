"""The newest round, as far as its record and the manifest know it, and whose guesses must not be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alcli import rounds
from alcli.errors import StepMissing
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.reporting.page import Histogram

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Newest:
    """The round selected last.

    Attributes:
        number: Of the round.
        about: The content of its `selection.json`; empty where that was deleted.
        table: k rows with the columns of `rounds.COLUMNS`, in rank order; where the record was deleted, those
            that are out or came back, in the order of their names.
        rows: (k,) rows of the manifest; -1 for an image that it has no longer.
        concealed: Whether gold rows are out among them, so that nothing may be said that tells any of them apart.
    """

    number: int
    about: dict[str, Any]
    table: pa.Table
    rows: NDArray[np.int64]
    concealed: bool = False

    @classmethod
    def of(cls, project: Project, manifest: Manifest) -> Newest | None:
        """Find the newest round; None before the first."""
        number = manifest.round
        if not number:
            return None
        try:
            record = rounds.read(project, number)
        except StepMissing:
            rows = np.flatnonzero(
                manifest.equals("queried_round", number) | manifest.equals("label_round", number)
            )
            names = {name: manifest.strings(name, rows) for name in ("alcli_id", "file_name")}
            return cls(number, {}, rounds.tabulated(strategy="", number=number, **names), rows)
        rows = rounds.rows_of(manifest, record.table["alcli_id"].to_pylist())
        concealed = rounds.has_gold(record.about) and number in manifest.open_rounds
        return cls(number, record.about, record.sent if concealed else record.table, rows, concealed)

    @property
    def audited(self) -> dict[str, str | None]:
        """What the model took the audit's images for, by id: not in the table, which people label from."""
        return {entry["alcli_id"]: entry["predicted_label"] for entry in self.about.get("audit", [])}

    @property
    def blind(self) -> bool:
        """Whether the model's guesses were to be left out."""
        return bool(self.about.get("request", {}).get("blind"))


@dataclass(frozen=True)
class Withheld:
    """What must not be shown of each image: whoever labels may look at the page, and is to get no hint.

    Attributes:
        guesses: (n,) whose predictions: images out for an audit, in a blind round or in one with gold rows, those that
            have a label already, and all of a round whose record was deleted; and every copy of such an image.
        labels: (n,) whose labels; see `rounds.undisclosed`.
    """

    guesses: NDArray[np.bool_]
    labels: NDArray[np.bool_]

    @classmethod
    def of(cls, project: Project, manifest: Manifest) -> Withheld:
        """Find out from the records of the open rounds."""
        labels = rounds.undisclosed(project, manifest)
        guesses = labels & (manifest.labelled | ~manifest.out)
        for number in manifest.open_rounds:
            about, out = rounds.about(project, number), manifest.equals("queried_round", number)
            if about and not about["request"]["blind"] and not rounds.has_gold(about):
                drawn = rounds.rows_of(manifest, [entry["alcli_id"] for entry in about["audit"]])
                only = np.zeros(len(manifest), np.bool_)
                only[drawn[drawn >= 0]] = True
                out &= only
            guesses |= out
        return cls(guesses | manifest.copies(guesses), labels)


def histogram(newest: Newest) -> Histogram | None:
    """Return the round's scores; None where the strategy picks images together, or an older alcli selected."""
    kept = (newest.about.get("statistics") or {}).get("histogram")
    if not kept:
        return None
    return Histogram(
        edges=kept["edges"],
        counts=kept["counts"],
        selected=kept["selected"],
        cut=kept["cut"],
        about=f"scores by {newest.about['strategy']} of {sum(kept['counts']):,} images in round {newest.number}",
    )
