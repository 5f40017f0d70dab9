"""Selecting: put a request to the pool, write down the answer as a round, and mark its images as out."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alcli import __version__, exporters, ledger, ranking, rounds, summary
from alcli.choosing import Choice, Chooser
from alcli.errors import InputRejected, PoolExhausted, StepMissing, UsageError
from alcli.manifest import Manifest
from alcli.progress import Progress, silent
from alcli.project import Project
from alcli.request import Request

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger("alcli")


@dataclass(frozen=True)
class SelectionReport:
    """What `select` chose, or had chosen.

    Attributes:
        round: The round's number.
        path: The recorded list, a CSV file.
        table: The selection, with the columns of `alcli.rounds.COLUMNS`.
        strategy: The strategy's name.
        order: Which order ran, where the strategy has two.
        images: Images selected.
        audit: How many of them were drawn at random.
        queryable: Images that could be chosen from.
        withdrawn: Images that `replace` took back.
        repeated: Whether this is an open round's recorded selection.
    """

    round: int
    path: Path
    table: pa.Table
    strategy: str
    order: str | None
    images: int
    audit: int
    queryable: int
    withdrawn: int = 0
    repeated: bool = False


@dataclass(frozen=True)
class Settings:
    """How to select, beside what to select.

    Attributes:
        add: Select a further batch while a round is open.
        replace: Withdraw what is out and select anew.
        csv_safe: Quote cells of the recorded CSV that a spreadsheet would run.
        dry_run: Choose, but write nothing.
        device: Where to score, if images must be scored first.
        workers: Decoding processes for that; None is one per core.
    """

    add: bool = False
    replace: bool = False
    csv_safe: bool = True
    dry_run: bool = False
    device: str = "auto"
    workers: int | None = None


def select(
    project: Project, request: Request, *, settings: Settings = Settings(), progress: Progress = silent
) -> SelectionReport:
    """Choose the images to label next and record them as a round.

    While a round is open, the same request returns what was recorded for it. Images without signals are
    scored first.

    Args:
        project: The pool.
        request: What is asked for.
        settings: How.
        progress: Told of every batch, if images must be scored.

    Raises:
        UsageError: The strategy or an option is unknown or out of range.
        StepMissing: There is no manifest, model or signal; or a round with another request is open.
        PoolExhausted: No image can be queried.
        InputRejected: A user's own model has no signals for some of the images.
    """
    if settings.add and settings.replace:
        raise UsageError("--add keeps the open round and --replace withdraws it: give one of them")
    project.require_manifest()
    ranking.find(request.strategy)
    outcome = _attempt(project, request, settings)
    if isinstance(outcome, _Unscored):
        _score(outcome, settings, progress)
        outcome = _attempt(project, request, settings)
    if isinstance(outcome, _Unscored):
        raise outcome.failure()
    return outcome


@dataclass(frozen=True)
class _Unscored:
    """What stands in the way of a selection: rows that need signals and have none."""

    chooser: Chooser
    rows: NDArray[np.int64]

    def failure(self) -> StepMissing:
        return StepMissing(
            f"{len(self.rows)} images have no signals yet", hint=self.chooser.project.command("score")
        )


def _attempt(project: Project, request: Request, settings: Settings) -> SelectionReport | _Unscored:
    """Select, unless images must be scored first: that takes the lock itself."""
    with contextlib.nullcontext() if settings.dry_run else ledger.writing(project, "select"):
        manifest = ledger.read(project)
        if manifest.open_rounds and not (settings.add or settings.replace):
            return _recorded(project, manifest, request)
        withdrawn = int(manifest.out.sum()) if settings.replace else 0
        if withdrawn:
            manifest = manifest.assign(manifest.out, queried_round=None)
        _require_queryable(project, manifest)
        chooser = Chooser.build(project, manifest, request)
        todo = chooser.unscored()
        return _Unscored(chooser, todo) if len(todo) else _new_round(chooser, settings, withdrawn)


def _recorded(project: Project, manifest: Manifest, request: Request) -> SelectionReport:
    """Return the recorded selection of the open round that answers this very request.

    Raises:
        StepMissing: The open rounds answer other requests.
    """
    asked = request.to_dict()
    for number in manifest.open_rounds:
        record = rounds.read(project, number)
        if record.request == asked:
            counts = record.about["counts"]
            return SelectionReport(
                number,
                record.listing,
                record.table,
                request.strategy,
                record.about["order"],
                counts["images"],
                counts["audit"],
                counts["queryable"],
                repeated=True,
            )
    numbers = ", ".join(map(str, manifest.open_rounds))
    many = len(manifest.open_rounds) > 1
    raise StepMissing(
        f"round{'s' if many else ''} {numbers} {'are' if many else 'is'} open: {int(manifest.out.sum())} "
        "images are out for labelling, selected by another request",
        hint=f"{project.command('import-labels', 'FILE')} takes labels back; "
        "select --add selects further images, --replace withdraws those that are out",
    )


def _require_queryable(project: Project, manifest: Manifest) -> None:
    if manifest.queryable.any():
        return
    out, labelled = int(manifest.out.sum()), int(manifest.labelled.sum())
    raise PoolExhausted(
        f"nothing left to query: of {len(manifest)} images {labelled} are labelled and {out} out for "
        "labelling; the others are held out, unreadable, missing, declined or excluded",
        hint=f"{project.command('status')} shows the counts",
    )


def _score(unscored: _Unscored, settings: Settings, progress: Progress) -> None:
    """Score the images that lack signals.

    Raises:
        InputRejected: The model is a user's own, which alcli cannot run.
        StepMissing: This is a dry run.
    """
    chooser, rows = unscored.chooser, unscored.rows
    project, record = chooser.project, chooser.record
    if record is None or settings.dry_run:
        raise unscored.failure()
    if record.external:
        raise InputRejected(
            f"{len(rows)} images that the ranking needs have no signals from model {record.id}",
            hint=project.command("score", "--from", "OUTPUTS.parquet"),
            details=[str(name) for name in chooser.manifest.strings("file_name", rows)],
        )
    logger.info("scoring %d images first", len(rows))
    from alcli import scoring

    scoring.score(project, record, device=settings.device, workers=settings.workers, progress=progress)


def _new_round(chooser: Chooser, settings: Settings, withdrawn: int) -> SelectionReport:
    """Choose, write the round's folder, and commit; the commit is what makes it a round."""
    project, request = chooser.project, chooser.request
    number = chooser.manifest.round + 1
    choice = chooser.choose(number)
    queryable = int(chooser.manifest.queryable.sum())
    _warn_of_fewer(request, len(choice.rows), queryable)
    table = _table(chooser, choice, number)
    report = SelectionReport(
        number,
        project.round_folder(number) / rounds.LISTING,
        table,
        request.strategy,
        choice.options.get("order"),
        len(choice.rows),
        int(choice.audit.sum()),
        queryable,
        withdrawn,
    )
    if settings.dry_run:
        return report
    rounds.write(project, number, _about(chooser, choice, report), table)
    exporters.save(table, report.path, "csv", csv_safe=settings.csv_safe)
    marked = chooser.manifest.assign(choice.rows, queried_round=number).replace(round_=number)
    facts = {"strategy": request.strategy, "images": report.images, "withdrawn": withdrawn}
    ledger.commit(project, marked, command="select", round=number, **facts)
    return report


def _warn_of_fewer(request: Request, chosen: int, queryable: int) -> None:
    asked = request.budget(queryable)
    if asked > queryable:
        logger.warning(
            "-k %s is more than the %d queryable images: all of them are taken", request.k, queryable
        )
    if chosen < min(asked, queryable):
        logger.warning(
            "--per-class %s leaves %d of %d images", request.per_class, chosen, min(asked, queryable)
        )


def _table(chooser: Chooser, choice: Choice, number: int) -> pa.Table:
    hidden = np.full(len(choice.rows), fill_value=True) if chooser.request.blind else choice.audit
    unknown = hidden | np.isnan(choice.confidence)
    return rounds.tabulated(
        strategy=chooser.request.strategy,
        number=number,
        alcli_id=chooser.manifest.strings("alcli_id", choice.rows),
        file_name=chooser.manifest.strings("file_name", choice.rows),
        # Seven digits in every format, so that no two of them disagree.
        score=[None if np.isnan(score) else float(f"{score:.7g}") for score in choice.scores],
        predicted_label=[None if hide else guess for guess, hide in zip(choice.guesses, hidden, strict=True)],
        confidence=[None if hide else value for value, hide in zip(choice.confidence, unknown, strict=True)],
        reason=[rounds.AUDIT if drawn else rounds.RANK for drawn in choice.audit],
    )


def _about(chooser: Chooser, choice: Choice, report: SelectionReport) -> dict[str, Any]:
    """Return the round's record: what was asked, of what, by which program. It has no clock: it repeats."""
    request = chooser.request
    drawn = np.flatnonzero(choice.audit)
    ids = chooser.manifest.strings("alcli_id", choice.rows[drawn])
    return {
        "schema": "alcli/selection/1",
        "round": report.round,
        "strategy": request.strategy,
        "options": choice.options,
        "order": report.order,
        "k": report.images,
        "seed": request.seed,
        "request": request.to_dict(),
        "model": choice.model,
        "signals": {"names": choice.signals, "digest": choice.digest},
        "manifest": summary.read(chooser.project)["digest"],
        "versions": {"alcli": __version__, "numpy": np.__version__},
        "counts": {
            "images": report.images,
            "audit": report.audit,
            "queryable": report.queryable,
            "withdrawn": report.withdrawn,
        },
        "approximations": [],
        "audit": [
            {"alcli_id": name, "predicted_label": choice.guesses[row]}
            for name, row in zip(ids, drawn, strict=True)
        ],
    }
