"""An open round chosen again, to ask about images that it passed over: as long as it comes out as it did."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from alcli import rounds, summary
from alcli.choosing import Choice, Chooser
from alcli.choosing.source import Source
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.request import Request
from alcli.selection import recording
from alcli.selection.lacking import what_lacks

# Of a list, what the ranks of other images would change with.
_TELLING = ["alcli_id", "strategy", "score"]


class Repeated(NamedTuple):
    """A round that was chosen again.

    Attributes:
        chooser: Of the manifest as it was.
        choice: The images of the round, without gold rows.
    """

    chooser: Chooser
    choice: Choice


def repeat(project: Project, manifest: Manifest, record: rounds.Round, *, device: str) -> Repeated | str:
    """Choose an open round again from the saved signals, or say why it would not come out as it did.

    Args:
        project: The pool.
        manifest: Its manifest, in which the images of the round are out.
        record: The round's record.
        device: Where batch strategies compute.
    """
    mine = manifest.equals("queried_round", record.number)
    if int(mine.sum()) < len(record.table):
        return "answers came back"
    before = manifest.assign(mine, queried_round=None).replace(round_=record.number - 1)
    newest, model = Source.of(project, before).record, record.about["model"]
    if record.about["signals"]["names"] and (newest is None or newest.id != model):
        return f"it was by model {model}, which is not the newest"
    if summary.read(project)["labelled_train"] != (record.about.get("statistics") or {}).get("labels"):
        return "labels changed"
    chooser = Chooser.build(project, before, Request(**record.request), device=device)
    if not what_lacks(chooser) and int(chooser.candidates.sum()) == record.about["counts"]["queryable"]:
        choice = chooser.choose(record.number)
        if _as_recorded(recording.listed(chooser, choice, record.number), choice.digest, record):
            return Repeated(chooser, choice)
    return "images, labels or signals changed"


def _as_recorded(table: pa.Table, digest: str, record: rounds.Round) -> bool:
    """Return whether a list, and the digest of the signals read for it, are those on record but for gold rows.

    The digest does not know labels: it is the scores that change with them.
    """
    chosen = record.table.filter(pc.not_equal(record.table["reason"], rounds.PLANTED))
    same = table.select(_TELLING).equals(chosen.select(_TELLING))
    return bool(same and digest == record.about["signals"]["digest"])
