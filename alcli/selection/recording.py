"""Writing a selection down: the round's folder, its list and record, and the images that are out now."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from alcli import __version__, exporters, guesses, ledger, rounds, summary
from alcli.choosing import Choice, Chooser
from alcli.request import Request
from alcli.selection import planting, statistics
from alcli.selection.planting import Gold
from alcli.selection.report import SelectionReport, Settings

logger = logging.getLogger("alcli")


def new_round(
    chooser: Chooser, settings: Settings, withdrawn: int, replaced: Sequence[int]
) -> SelectionReport:
    """Choose, write the round's folder, and commit; the commit is what makes it a round.

    Args:
        chooser: Of the manifest without what this round replaces.
        settings: How to select.
        withdrawn: How many images it replaces.
        replaced: The rounds that they were of.
    """
    source, request = chooser.source, chooser.request
    project = source.project
    number = source.manifest.round + 1
    choice = chooser.choose(number)
    queryable = int(chooser.candidates.sum())
    _warn_of_fewer(request, choice, queryable)
    gold = planting.plant(project, source.manifest, request, choice.rows, number)
    table = gold.among(listed(chooser, choice, number), _known(chooser, gold, number))
    sent = rounds.concealed(table) if len(gold.rows) else table
    report = SelectionReport(
        number,
        project.round_folder(number) / rounds.LISTING,
        sent,
        chooser.plan.strategy.name,
        chooser.because,
        chooser.plan.options.get("order"),
        len(choice.rows),
        int(choice.audit.sum()),
        queryable,
        withdrawn,
        replaced,
        choice.stepped_back,
        choice.quality,
        choice.approximations,
        gold=len(gold.rows),
        again=choice.reasons.count(rounds.AGAIN),
        expired=int(guesses.passing(source.manifest).sum()),
    )
    if not settings.dry_run:
        _record(chooser, choice, gold, report, table, csv_safe=settings.csv_safe)
    return report


def _record(
    chooser: Chooser, choice: Choice, gold: Gold, report: SelectionReport, table: pa.Table, *, csv_safe: bool
) -> None:
    """Write the round's folder and commit; `table` is the selection with what is known of each row."""
    manifest, project, number = chooser.source.manifest, chooser.source.project, report.round
    about = _about(chooser, choice, report)
    about["statistics"], stop_set = statistics.of_round(chooser, choice, number)
    rounds.write(project, number, about, table, stop_set, gold.labels(manifest))
    exporters.save(report.table, report.path, "csv", csv_safe=csv_safe)
    out = np.concatenate([choice.rows, gold.rows])
    marked = guesses.at_round(manifest, number).assign(out, queried_round=number)
    facts = {name: getattr(report, name) for name in ("strategy", "images", "withdrawn")}
    facts |= {name: count for name in ("gold", "again", "expired") if (count := getattr(report, name))}
    ledger.commit(project, marked, command="select", round=number, **facts)


def _warn_of_fewer(request: Request, choice: Choice, queryable: int) -> None:
    """Say why a selection is smaller than what was asked for."""
    asked, chosen = request.budget(queryable), len(choice.rows)
    if asked > queryable:
        logger.warning(
            "-k %s is more than the %d queryable images: all of them are taken", request.k, queryable
        )
    if chosen < min(asked, queryable):
        if request.per_class:
            told = "--per-class %s leaves %d of %d images"
            logger.warning(told, request.per_class, chosen, min(asked, queryable))
        else:
            told = "%d of %d images are duplicates: %d are left to select"
            logger.warning(told, choice.stepped_back, queryable, chosen)


def listed(chooser: Chooser, choice: Choice, number: int) -> pa.Table:
    """Return a choice as a list: what may be told of each image, with the columns of `rounds.COLUMNS`."""
    manifest = chooser.source.manifest
    # The guess for a labelled image is by a model that learned its label.
    again = np.array([reason == rounds.AGAIN for reason in choice.reasons], np.bool_)
    hidden = choice.audit | again | chooser.request.blind
    unknown = hidden | np.isnan(choice.confidence)
    return rounds.tabulated(
        strategy=chooser.plan.strategy.name,
        number=number,
        alcli_id=manifest.strings("alcli_id", choice.rows),
        file_name=manifest.strings("file_name", choice.rows),
        # Seven digits in every format, so that no two of them disagree.
        score=[None if np.isnan(score) else float(f"{score:.7g}") for score in choice.scores],
        predicted_label=[None if hide else guess for guess, hide in zip(choice.guesses, hidden, strict=True)],
        confidence=[None if hide else value for value, hide in zip(choice.confidence, unknown, strict=True)],
        reason=choice.reasons,
        # Both tell a guess: a cluster may be a class, and the neighbour's folder is often called like one.
        cluster=[None if hide else value for value, hide in zip(choice.clusters, hidden, strict=True)],
        nearest_labelled=[
            None if hide else name for name, hide in zip(choice.nearest_labelled, hidden, strict=True)
        ],
        duplicates=choice.duplicates,
    )


def _known(chooser: Chooser, gold: Gold, number: int) -> pa.Table:
    """Return the gold rows as a selection."""
    manifest = chooser.source.manifest
    return rounds.tabulated(
        strategy=chooser.plan.strategy.name,
        number=number,
        alcli_id=manifest.strings("alcli_id", gold.rows),
        file_name=manifest.strings("file_name", gold.rows),
        reason=[rounds.PLANTED] * len(gold.rows),
    )


def _about(chooser: Chooser, choice: Choice, report: SelectionReport) -> dict[str, Any]:
    """Return the round's record: what was asked, of what, by which program. It has no clock: it repeats."""
    request, source = chooser.request, chooser.source
    drawn = np.flatnonzero(choice.audit)
    ids = source.manifest.strings("alcli_id", choice.rows[drawn])
    return {
        "schema": "alcli/selection/1",
        "round": report.round,
        "strategy": report.strategy,
        "because": report.because,
        "options": chooser.plan.options,
        "order": report.order,
        "k": report.images,
        "seed": request.seed,
        "request": request.to_dict(),
        "model": choice.model,
        "signals": {"names": choice.signals, "digest": choice.digest},
        "manifest": summary.read(source.project)["digest"],
        "versions": {"alcli": __version__, "numpy": np.__version__},
        "counts": {
            "images": report.images,
            "audit": report.audit,
            "queryable": report.queryable,
            "withdrawn": report.withdrawn,
            "duplicates": report.stepped_back,
            "gold": report.gold,
            "again": report.again,
        },
        "replaced": list(report.replaced),
        "quality": choice.quality,
        "approximations": choice.approximations,
        "audit": [
            {"alcli_id": name, "predicted_label": choice.guesses[row]}
            for name, row in zip(ids, drawn, strict=True)
        ],
    }
