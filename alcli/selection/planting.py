"""Gold rows: images whose label is known, sent out among the others to measure the annotators."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import randomness, ranking, rounds
from alcli.errors import StepMissing
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.request import Request

Positions = NDArray[np.int64]

logger = logging.getLogger("alcli")


@dataclass(frozen=True)
class Gold:
    """Which images are planted, and where.

    Attributes:
        rows: (g,) rows of the manifest, in the order of their places.
        places: (g,) positions among all k + g images, ascending.
    """

    rows: Positions
    places: Positions

    def among(self, others: pa.Table, mine: pa.Table) -> pa.Table:
        """Return the two selections, of k and of g images, as one; ranks count through it."""
        count = len(others) + len(mine)
        order = np.empty(count, np.int64)
        free = np.ones(count, np.bool_)
        free[self.places] = False
        order[free], order[self.places] = np.arange(len(others)), np.arange(len(others), count)
        together = pa.concat_tables([others, mine]).take(pa.array(order))
        return together.set_column(0, rounds.COLUMNS.field(0), pa.array(np.arange(1, count + 1)))

    def labels(self, manifest: Manifest) -> pa.Table | None:
        """Return what is known of them, with the columns of `rounds.GOLD_COLUMNS`; None where there are none."""
        if not len(self.rows):
            return None
        columns = [manifest.strings(name, self.rows) for name in rounds.GOLD_COLUMNS.names]
        return pa.table(columns, schema=rounds.GOLD_COLUMNS)


def plant(project: Project, manifest: Manifest, request: Request, chosen: Positions, number: int) -> Gold:
    """Draw the gold rows of round `number` and their places.

    They are drawn uniformly among the images to train on whose label a person gave, and that are neither out nor
    chosen. An image in a folder that has the name of its class is none of them: its path would tell the label,
    and that there is one.

    Args:
        project: The pool, for hints.
        manifest: Its manifest.
        request: What is asked for.
        chosen: (k,) rows that the round selects.
        number: The round's number: each round draws anew.

    Raises:
        StepMissing: No image can be gold.
    """
    wanted = request.golds(len(chosen))
    if not wanted:
        return Gold(np.empty(0, np.int64), np.empty(0, np.int64))
    usable = (
        manifest.labelled
        & manifest.equals("split", "train")
        & manifest.equals("status", "ok")
        & ~manifest.out
    )
    usable[chosen] = False
    rows = _untold(manifest, np.flatnonzero(usable))
    if not len(rows):
        raise StepMissing(
            f"no image can be a gold row: {int(usable.sum())} are labelled and not out, but each lies in a folder "
            "that has the name of its class"
            if usable.any()
            else "no image can be a gold row: none to train on is labelled and not out",
            hint=f"{project.command('import-labels', 'FILE')} brings labels in; until then select without --gold",
        )
    if len(rows) < wanted:
        logger.warning("--gold %s asks for %d images; %d can be gold rows", request.gold, wanted, len(rows))
    keys = manifest.keys[rows]
    drawn = ranking.top(randomness.uniform(request.seed, f"gold-{number}", keys), keys, wanted)
    slots = np.arange(len(chosen) + len(drawn), dtype=np.uint64)
    places = ranking.top(randomness.uniform(request.seed, f"gold-places-{number}", slots), slots, len(drawn))
    return Gold(rows[drawn], np.sort(places))


def _untold(manifest: Manifest, rows: Positions) -> Positions:
    """Return those of `rows` whose path does not name their class."""
    names, labels = manifest.strings("file_name", rows), manifest.strings("label", rows)
    told = [
        str(label).casefold() in PurePosixPath(str(name).casefold()).parent.parts
        for name, label in zip(names, labels, strict=True)
    ]
    return rows[~np.array(told, np.bool_)]
