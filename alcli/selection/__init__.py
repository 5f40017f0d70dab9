"""Selecting: put a request to the pool, write down the answer as a round, and mark its images as out."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from alcli import accelerated, ledger, ranking, rounds
from alcli.choosing import AUTO, Chooser, candidates
from alcli.errors import InputRejected, PoolExhausted, StepMissing, UsageError
from alcli.manifest import Manifest
from alcli.progress import Progress, silent
from alcli.project import Project
from alcli.request import Request
from alcli.selection.explaining import Explanation, Neighbour, explain
from alcli.selection.lacking import Lacking, what_lacks
from alcli.selection.recording import new_round
from alcli.selection.report import DEFAULTS, SelectionReport, Settings

__all__ = ["DEFAULTS", "Explanation", "Neighbour", "SelectionReport", "Settings", "explain", "select"]

logger = logging.getLogger("alcli")


def select(
    project: Project, request: Request, *, settings: Settings = DEFAULTS, progress: Progress = silent
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
    if request.strategy != AUTO:
        ranking.find(request.strategy)
    done: list[str] = []
    while isinstance(outcome := _attempt(project, request, settings), Lacking):
        if outcome.signal in done:
            raise outcome.failure()
        done.append(outcome.signal)
        _compute(outcome, settings, progress)
    return outcome


def _attempt(project: Project, request: Request, settings: Settings) -> SelectionReport | Lacking:
    """Select, unless images must be scored first: that takes the lock itself."""
    with contextlib.nullcontext() if settings.dry_run else ledger.writing(project, "select"):
        manifest = ledger.read(project)
        if manifest.open_rounds and not (settings.add or settings.replace):
            return _recorded(project, manifest, request)
        withdrawn = int(manifest.out.sum()) if settings.replace else 0
        replaced = manifest.open_rounds if settings.replace else []
        if withdrawn:
            manifest = manifest.assign(manifest.out, queried_round=None)
        _require_queryable(project, manifest, request)
        chooser = Chooser.build(project, manifest, request, device=accelerated.device_for(settings.device))
        return what_lacks(chooser) or new_round(chooser, settings, withdrawn, replaced)


def _recorded(project: Project, manifest: Manifest, request: Request) -> SelectionReport:
    """Return the recorded selection of the open round that answers this very request.

    Raises:
        StepMissing: The open rounds answer other requests.
    """
    asked = request.to_dict()
    for number in manifest.open_rounds:
        record = rounds.read(project, number)
        if Request(**record.request).to_dict() == asked:
            counts = record.about["counts"]
            return SelectionReport(
                number,
                record.listing,
                record.sent,
                record.about["strategy"],
                record.about.get("because"),
                record.about["order"],
                counts["images"],
                counts["audit"],
                counts["queryable"],
                stepped_back=counts.get("duplicates", 0),
                quality=record.about.get("quality", {}),
                approximations=record.about["approximations"],
                repeated=True,
                gold=counts.get("gold", 0),
                again=counts.get("again", 0),
            )
    numbers = ", ".join(map(str, manifest.open_rounds))
    many = len(manifest.open_rounds) > 1
    raise StepMissing(
        f"round{'s' if many else ''} {numbers} {'are' if many else 'is'} open: {int(manifest.out.sum())} "
        "images are out for labelling, selected by another request",
        hint=f"{project.command('import-labels', 'FILE')} takes labels back; "
        "select --add selects further images, --replace withdraws those that are out",
    )


def _require_queryable(project: Project, manifest: Manifest, request: Request) -> None:
    if candidates(manifest, request).any():
        return
    out, labelled = int(manifest.out.sum()), int(manifest.labelled.sum())
    raise PoolExhausted(
        f"nothing left to query: of {len(manifest)} images {labelled} are labelled and {out} out for "
        "labelling; the others are held out, unreadable, missing, declined or excluded",
        hint=f"{project.command('status')} shows the counts",
    )


def _compute(lacks: Lacking, settings: Settings, progress: Progress) -> None:
    """Compute the signals that images lack.

    Raises:
        InputRejected: The model is a user's own, which alcli cannot run.
        StepMissing: This is a dry run.
    """
    source, rows = lacks.chooser.source, lacks.rows
    project, record = source.project, source.record
    if record is None or settings.dry_run:
        raise lacks.failure()
    if record.external:
        raise InputRejected(
            f"{len(rows)} images that the ranking needs have no signals from model {record.id}",
            hint=project.command("score", "--from", "OUTPUTS.parquet"),
            details=[str(name) for name in source.manifest.strings("file_name", rows)],
        )
    how: dict[str, Any] = {
        "device": settings.device,
        "workers": settings.workers,
        "progress": progress,
    }
    if lacks.signal:
        logger.info("computing %s of %d candidates first", lacks.signal.replace("_", " "), len(rows))
        from alcli import probing

        probing.probe(project, record, lacks.signal, source.manifest, rows, **how)
        return
    logger.info("scoring %d images first", len(rows))
    from alcli import scoring

    scoring.score(project, record, **how)
