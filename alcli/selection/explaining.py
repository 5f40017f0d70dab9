"""Why one image was chosen, or was not: its rank, and the selected and the labelled image nearest to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alcli import accelerated, ledger, ranking, rounds
from alcli.choosing import Choice, Chooser
from alcli.errors import StepMissing, UsageError
from alcli.fingerprint import Fingerprint
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.request import Request
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
        nearest_selected: None where embeddings are not known.
        nearest_labelled: None where embeddings are not known or nothing is labelled.
    """

    file_name: str
    strategy: str
    round: int | None
    selected: bool
    why: str
    rank: int | None = None
    of: int | None = None
    score: float | None = None
    cut: float | None = None
    reason: str | None = None
    nearest_selected: Neighbour | None = None
    nearest_labelled: Neighbour | None = None


def explain(project: Project, request: Request, file_name: str, *, settings: Settings) -> Explanation:
    """Explain one image under the open round, or, if none is open, under what `request` would select now.

    Nothing is written. What is in an open round stands in its record. Of another image the choice tells, made again
    from the saved signals, as long as it comes out as it did then: not after answers or another model.

    Raises:
        UsageError: No such image is in the pool; or a strategy or option is not legal.
        StepMissing: Images must be scored first.
    """
    project.require_manifest()
    manifest = ledger.read(project)
    row = _row(manifest, file_name)
    open_rounds = manifest.open_rounds
    number = open_rounds[-1] if open_rounds else None
    record = None if number is None else rounds.read(project, number)
    listed = None
    if record is not None:  # as it was when that round was selected
        request = Request(**record.request)
        listed = _listed(record, file_name)
        mine = manifest.equals("queried_round", record.number)
        answered = int(mine.sum()) < len(record.table)
        manifest = manifest.assign(mine, queried_round=None).replace(round_=record.number - 1)
    chooser = Chooser.build(project, manifest, request, device=accelerated.device_for(settings.device))
    if record is not None and listed is not None:
        others = rounds.rows_of(manifest, [str(name) for name in record.table["alcli_id"].to_pylist()])
        return _beside(listed, chooser, row, others[(others >= 0) & (others != row)])
    if record is not None and chooser.candidates[row] and (changed := _changed(record, chooser, answered)):
        why = f"it is not among its {len(record.table)} images; how it ranked cannot be told any more: {changed}"
        return Explanation(file_name, record.about["strategy"], number, selected=False, why=why)
    lacking = len(chooser.unscored()) or (chooser.probe and len(chooser.unprobed()))
    if lacking:
        raise StepMissing(f"{lacking} images have no signals yet", hint=project.command("score"))
    found = Explanation(file_name, chooser.plan.strategy.name, number, selected=False, why="")
    if not chooser.candidates[row]:
        return replace(found, why=_barred(manifest, row))
    choice = chooser.choose(manifest.round + 1)
    at = np.flatnonzero(choice.rows == row)
    found = _chosen(found, choice, int(at[0])) if len(at) else _passed_over(found, chooser, choice, row)
    return _beside(found, chooser, row, choice.rows[choice.rows != row])


def _beside(found: Explanation, chooser: Chooser, row: int, selected: NDArray[np.int64]) -> Explanation:
    """Add the selected and the labelled image nearest to it."""
    return replace(
        found,
        nearest_selected=_nearest(chooser, row, selected),
        nearest_labelled=_nearest(chooser, row, chooser.source.teachers),
    )


def _listed(record: rounds.Round, file_name: str) -> Explanation | None:
    """Say what a round's list says of an image; None where it does not stand there.

    Where gold rows are among them it says the rank and no more, as the list does.
    """
    at = record.sent["file_name"].index(file_name).as_py()
    if at < 0:
        return None
    of, (row,) = len(record.sent), record.sent.slice(at, 1).to_pylist()
    strategy = record.about["strategy"]
    found = Explanation(file_name, strategy, record.number, selected=True, why="", rank=at + 1, of=of)
    return replace(
        found, why=_words(strategy, row["reason"], at, of), score=row["score"], reason=row["reason"]
    )


def _changed(record: rounds.Round, chooser: Chooser, answered: bool) -> str:
    """Say why a round's choice would not come out as it did; nothing if it would."""
    if answered:
        return "answers came back"
    model = chooser.source.record
    if record.about["model"] is not None and (model is None or model.id != record.about["model"]):
        return f"it was by model {record.about['model']}, which is not the newest"
    return ""


def _row(manifest: Manifest, file_name: str) -> int:
    column = manifest.table["file_name"]
    found = column.index(file_name).as_py()
    if found < 0:
        raise UsageError(f"no image {file_name} is in the manifest", hint="names are relative to the pool")
    return int(found)


def _barred(manifest: Manifest, row: int) -> str:
    """Say why an image cannot be queried at all."""
    cells = {
        name: manifest.strings(name, np.array([row]))[0]
        for name in ("label", "split", "status", "problem", "queried_round")
    }
    if cells["label"] is not None:
        return f"a person has labelled it {cells['label']}"
    if cells["split"] != "train":
        return f"it is held out in the split {cells['split']}"
    if cells["status"] != "ok":
        return f"its status is {cells['status']}" + (f": {cells['problem']}" if cells["problem"] else "")
    return f"it is out for labelling in round {cells['queried_round']}"


def _chosen(found: Explanation, choice: Choice, at: int) -> Explanation:
    """Say why an image is in the selection, at position `at`."""
    reason = choice.reasons[at]
    score = float(choice.scores[at])
    return replace(
        found,
        selected=True,
        why=_words(found.strategy, reason, at, len(choice.rows)),
        rank=at + 1,
        of=len(choice.rows),
        score=None if np.isnan(score) else score,
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
        name = chooser.source.manifest.strings("file_name", np.array([field.doubles[row]]))[0]
        return replace(found, why=f"it is a duplicate of {name}, which stands for it")
    if position not in field.eligible:
        return replace(found, why="it was not among the candidates")
    if chooser.plan.strategy.kind == "batch":
        return replace(found, why=f"{found.strategy} picks images together, and others served the batch more")
    scores = chooser.scores(field, Fingerprint())
    at = int(np.searchsorted(field.eligible, position))
    order = ranking.top(scores, field.keys[field.eligible], len(field.eligible))
    rank = int(np.flatnonzero(order == at)[0]) + 1
    within = f", within {chooser.request.by_class}" if chooser.request.by_class else ""
    return replace(
        found,
        why=f"{rank - 1} images rank before it, and {int((~choice.audit).sum())} were taken{within}",
        rank=rank,
        of=len(order),
        score=float(scores.values[at]),
        cut=float(np.nanmin(choice.scores)) if len(choice.rows) else None,
    )


def _nearest(chooser: Chooser, row: int, others: NDArray[np.int64]) -> Neighbour | None:
    source = chooser.source
    if "embeddings" not in source.shapes or len(source.stale(np.array([row]))):
        return None
    found = source.nearest(np.array([row]), others)
    if found.rows[0] < 0:
        return None
    name = source.manifest.strings("file_name", found.rows)[0]
    return Neighbour(str(name), float(found.distances[0]))
