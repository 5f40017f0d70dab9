"""Why one image was chosen, or was not: its rank, and the selected and the labelled image nearest to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import accelerated, ledger, ranking, rounds
from alcli.choosing import Choice, Chooser, candidates
from alcli.choosing.choice import AUDIT
from alcli.choosing.source import Source
from alcli.errors import UsageError
from alcli.fingerprint import Fingerprint
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.request import Request
from alcli.selection import recording, repeating
from alcli.selection.lacking import what_lacks
from alcli.selection.report import Settings


@dataclass(frozen=True)
class Neighbour:
    """Another image, and how far its embedding is (Euclidean)."""

    file_name: str
    distance: float


@dataclass(frozen=True)
class Explanation:
    """What there is to say of one image.

    Attributes:
        file_name: The image.
        strategy: What ranked.
        round: The open round whose selection is explained; None where it is what would be selected now.
        selected: Whether it is in the selection.
        why: One sentence.
        rank: Place in the selection, from 1; where it was not selected, its place among all that were ranked,
            if the strategy ranks each image by itself.
        of: How many images were ranked.
        score: The strategy's score; None where it has none.
        cut: The lowest score that was selected; None where the strategy picks images together.
        reason: The selection's word for it.
        nearest_selected: None where embeddings are not known, and beside gold rows.
        nearest_labelled: Of those that are not out. None where embeddings are not known or nothing is labelled, and
            where the list tells no guess either: in a blind selection, for the audit and for labels that are checked.
    """

    file_name: str
    strategy: str
    round: int | None
    selected: bool = False
    why: str = ""
    rank: int | None = None
    of: int | None = None
    score: float | None = None
    cut: float | None = None
    reason: str | None = None
    nearest_selected: Neighbour | None = None
    nearest_labelled: Neighbour | None = None


def explain(project: Project, request: Request, file_name: str, *, settings: Settings) -> Explanation:
    """Explain one image under the open rounds, or, if none is open, under what `request` would select now.

    Nothing is written. An image that stands in the list of an open round is explained by the record of that round:
    the one that it is out in, or else the newest. Any other image is explained by choosing: the newest open round
    again, as long as it comes out as it did. Neither gives away what the list hides from the people who label: which
    rows are gold, and in blind rows what a model takes an image for.

    Raises:
        UsageError: No such image is in the pool; or a strategy or option is not legal.
        StepMissing: Images must be scored first; or the record of an open round was deleted or damaged.
    """
    project.require_manifest()
    manifest = ledger.read(project)
    row = _row(manifest, file_name)
    source = Source.of(project, manifest)
    opened = [rounds.read(project, number) for number in manifest.open_rounds]
    out_in = manifest.table["queried_round"][row].as_py()
    for record in sorted(opened, key=lambda one: (one.number == out_in, one.number), reverse=True):
        at = record.sent["alcli_id"].index(manifest.table["alcli_id"][row]).as_py()
        if at >= 0:
            return _recorded(source, row, record, at)
    device = accelerated.device_for(settings.device)
    return _left_out(source, row, opened[-1], device) if opened else _now(source, row, request, device)


def _recorded(source: Source, row: int, record: rounds.Round, at: int) -> Explanation:
    """Explain an image by the record of a round, where it stands at position `at`."""
    found = Explanation(_name(source, row), record.about["strategy"], record.number)
    selected = rounds.rows_of(source.manifest, record.sent["alcli_id"].to_pylist())
    found = _listed(found, record.sent, at)
    return _beside(found, source, row, selected[selected >= 0], Request(**record.request))


def _left_out(source: Source, row: int, record: rounds.Round, device: str) -> Explanation:
    """Explain an image that is not in the list of an open round, by choosing the round again."""
    manifest, request = source.manifest, Request(**record.request)
    found = Explanation(_name(source, row), record.about["strategy"], record.number)
    if not candidates(manifest, request)[row]:
        return replace(found, why=_barred(manifest, row))
    again = repeating.repeat(source.project, manifest, record, device=device)
    if isinstance(again, str):
        why = f"it is not among its {len(record.sent)} images; how it ranked cannot be told any more: {again}"
        return replace(found, why=why)
    found = _passed_over(found, again.chooser, again.choice, row)
    return _beside(found, source, row, again.choice.rows, request)


def _now(source: Source, row: int, request: Request, device: str) -> Explanation:
    """Explain an image by choosing what `request` would select now."""
    project, manifest = source.project, source.manifest
    chooser = Chooser.build(project, manifest, request, device=device)
    if lacks := what_lacks(chooser):
        raise lacks.failure()
    found = Explanation(_name(source, row), chooser.plan.strategy.name, None)
    if not chooser.candidates[row]:
        return replace(found, why=_barred(manifest, row))
    number = manifest.round + 1
    choice = chooser.choose(number)
    if row in choice.rows:
        table = recording.listed(chooser, choice, number)
        found = _listed(found, table, int(np.flatnonzero(choice.rows == row)[0]))
    else:
        found = _passed_over(found, chooser, choice, row)
    return _beside(found, source, row, choice.rows, request)


def _beside(
    found: Explanation, source: Source, row: int, selected: NDArray[np.int64], request: Request
) -> Explanation:
    """Add the selected and the labelled image nearest to it, as far as the list does not hide them.

    Beside gold rows the nearest selected image would be none of them, and a labelled one that is out may be one. A
    labelled image lies in a folder that is often called like its class, which tells a guess.
    """
    if request.golds(1):
        return found
    found = replace(found, nearest_selected=_nearest(source, row, selected))
    if request.blind or found.reason in (AUDIT, rounds.AGAIN):
        return found
    return replace(found, nearest_labelled=_nearest(source, row, source.examples))


def _row(manifest: Manifest, file_name: str) -> int:
    column = manifest.table["file_name"]
    found = column.index(file_name).as_py()
    if found < 0:
        raise UsageError(f"no image {file_name} is in the manifest", hint="names are relative to the pool")
    return int(found)


def _barred(manifest: Manifest, row: int) -> str:
    """Say why an image cannot be queried at all; of one that is out not whether it has a label."""
    cells = {
        name: manifest.strings(name, np.array([row]))[0]
        for name in ("label", "split", "status", "problem", "queried_round")
    }
    if cells["queried_round"] is not None:
        return f"it is out for labelling in round {cells['queried_round']}"
    if cells["label"] is not None:
        return f"a person has labelled it {cells['label']}"
    if cells["split"] != "train":
        return f"it is held out in the split {cells['split']}"
    return f"its status is {cells['status']}" + (f": {cells['problem']}" if cells["problem"] else "")


def _listed(found: Explanation, table: pa.Table, at: int) -> Explanation:
    """Say of an image what a list says of it, where it stands at position `at`."""
    reason, of = table["reason"][at].as_py(), len(table)
    return replace(
        found,
        selected=True,
        why=_words(found.strategy, reason, at, of),
        rank=at + 1,
        of=of,
        score=table["score"][at].as_py(),
        reason=reason,
    )


def _words(strategy: str, reason: str | None, at: int, of: int) -> str:
    """Say in words why the image at position `at` of `of` was chosen."""
    words = {
        "audit": "it was drawn at random for the audit",
        rounds.AGAIN: f"it ranks {at + 1} of {of} selected images: its label is worth checking",
        "fill": "the strategy had nothing more to gain, and it fills up the batch",
        "diverse": f"{strategy} picked it as number {at + 1} of the batch",
    }
    return words.get(reason or "", f"it ranks {at + 1} of {of} selected images")


def _passed_over(found: Explanation, chooser: Chooser, choice: Choice, row: int) -> Explanation:
    """Say what an image that could be queried lacked."""
    field = chooser.field(chooser.source.manifest.round + 1, Fingerprint())
    position = int(np.searchsorted(field.rows, row))
    if row in field.doubles:
        hidden = chooser.request.golds(1)  # beside gold rows it would be told as none of them
        other = "another image" if hidden else _name(chooser.source, field.doubles[row])
        return replace(found, why=f"it is a duplicate of {other}, which stands for it")
    if position not in field.eligible:
        return replace(found, why="it was not among the candidates")
    if chooser.plan.strategy.kind == "batch":
        return replace(found, why=f"{found.strategy} picks images together, and others served the batch more")
    scores = chooser.scores(field, Fingerprint())
    at = int(np.searchsorted(field.eligible, position))
    order = ranking.top(scores, field.keys[field.eligible], len(field.eligible))
    taken = choice.scores[~choice.audit]
    rank = int(np.flatnonzero(order == at)[0]) + 1
    within = f", within {chooser.request.by_class}" if chooser.request.by_class else ""
    return replace(
        found,
        why=f"{rank - 1} images rank before it, and {len(taken)} were taken{within}",
        rank=rank,
        of=len(order),
        score=float(scores.values[at]),
        cut=float(taken.min()) if len(taken) else None,
    )


def _nearest(source: Source, row: int, others: NDArray[np.int64]) -> Neighbour | None:
    """Return the nearest of some images, itself left out; None where embeddings are not known."""
    if "embeddings" not in source.shapes or len(source.stale(np.array([row]))):
        return None
    found = source.nearest(np.array([row]), others[others != row])
    if found.rows[0] < 0:
        return None
    return Neighbour(_name(source, int(found.rows[0])), float(found.distances[0]))


def _name(source: Source, row: int) -> str:
    return str(source.manifest.table["file_name"][row])
