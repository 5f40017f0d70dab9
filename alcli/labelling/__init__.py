"""Taking labels back: match every row to an image, check them all, change the manifest once or never."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import files, ledger, votebook
from alcli import manifest as manifests
from alcli.gold import Agreement
from alcli.images import metadata
from alcli.labelling import answers as returned
from alcli.labelling import checking, matching, merging, recording, withholding
from alcli.labelling import problems as reports
from alcli.labelling.advising import advise
from alcli.labelling.answers import Answers
from alcli.labelling.assessment import Quality
from alcli.labelling.checking import Check
from alcli.labelling.deciding import DEFAULTS, Found, Rules, decide
from alcli.labelling.merging import OnConflict
from alcli.labelling.votes import Resolve
from alcli.manifest import Manifest
from alcli.project import Project

__all__ = ["Check", "ImportReport", "OnConflict", "Resolve", "Rules", "import_labels"]


@dataclass(frozen=True)
class ImportReport:
    """What an import did, counted in images where nothing else is said.

    Attributes:
        rows: Rows of the file.
        images: Images that the file names.
        labelled: Labelled for the first time.
        replaced: Had another label.
        kept: Have another label, which stayed.
        unchanged: Had this label already.
        unanswered: Have an empty label in the file.
        skipped: Declined by a person, and `skipped` from now on.
        unsent: Of those labelled, how many no round asks about, as they were never sent out, or withdrawn.
        held_out: Of those labelled, in the val or test split.
        by_round: How many came back of each round, be they answered or declined.
        still_out: How many of each round are still out.
        new_classes: Classes that the file added.
        votes: Answers of named annotators that were not on record yet.
        gold: Of the answers to gold rows, how often each annotator gave the label that was known.
        consensus: How annotators who disagree were weighed, in words; None where they were not.
        quality: What the judges say of the labels; None where they were not asked.
        changed: Whether the manifest or the record was changed, or in a dry run would be.
    """

    rows: int
    images: int
    labelled: int
    replaced: int
    kept: int
    unchanged: int
    unanswered: int
    skipped: int
    unsent: int
    held_out: int
    by_round: dict[int, int]
    still_out: dict[int, int]
    new_classes: tuple[str, ...]
    votes: int
    gold: tuple[Agreement, ...]
    consensus: str | None
    quality: Quality | None
    changed: bool


def import_labels(
    project: Project,
    path: Path,
    *,
    rules: Rules = DEFAULTS,
    kind: str | None = None,
    encoding: str | None = None,
    report: Path | None = None,
    check: Check | None = None,
    dry_run: bool = False,
) -> ImportReport:
    """Take the labels of a file into the manifest: all of them, or none.

    Args:
        project: The pool.
        path: The labels file: CSV, TSV, JSONL or Parquet.
        rules: How it is understood.
        kind: `csv`, `tsv`, `jsonl` or `parquet`; None goes by the content and the extension.
        encoding: Of text files; None is UTF-8.
        report: Where to write every problem, as CSV or JSONL.
        check: How to judge the labels before they are taken; None takes them unjudged.
        dry_run: Check, count, and leave the manifest as it is; reports are written.

    Raises:
        StepMissing: There is no manifest; or the labels are to be judged and there is no model or no signals.
        InputRejected: The file cannot be read, or a row of it cannot be taken; all of them are named. Or too many
            of the labels are wrong.
        UsageError: A prefix or the report's name is wrong.
    """
    project.require_manifest()
    if report:
        reports.check_report(report)
    prefixes = [matching.parse_prefix(prefix) for prefix in rules.prefixes]
    digest = files.file_digest(path) if path.is_file() else None
    answers = returned.read(path, kind=kind, encoding=encoding)
    answers = answers.below(metadata.prefix_of(path, project.pool))
    with contextlib.nullcontext() if dry_run else ledger.writing(project, "import-labels"):
        before = manifests.read(project.manifest)
        answers = merging.in_whole_numbers(answers, before.classes)
        decided = functools.partial(decide, project, before, answers, prefixes=prefixes)
        found = decided(rules)
        if report:
            reports.write_report(report, found.problems)
        if found.problems:
            raise reports.rejection(
                path,
                found.problems,
                rows=len(answers),
                unit=answers.unit,
                advice=advise(found, rules, decided),
            )
        quality = None
        if check:
            found, quality = _judged(project, before, found, check)
            checking.finish(quality, check, path)
        done = _report(before, answers, found, quality)
        if not dry_run:
            _record(project, path, digest, found, done)
    return done


def _judged(project: Project, before: Manifest, found: Found, check: Check) -> tuple[Found, Quality]:
    """Return what is left of a delivery once it is judged, and what the judges say."""
    agreement = found.planted.agreement(found.answers)
    outcome, quality = checking.judge(
        project,
        before,
        found.outcome,
        found.verdicts.rows,
        votes=found.votes,
        agreement=agreement,
        check=check,
    )
    withheld = withholding.kept_back(before, found.outcome, outcome)
    return replace(found, outcome=outcome, added={**found.added, votebook.WITHHELD: withheld}), quality


def _record(project: Project, path: Path, digest: str | None, found: Found, done: ImportReport) -> None:
    """Make the change, if there is one; if not, write down once that the file was taken in."""
    facts = {name: value for name, value in vars(done).items() if value and name not in _NOT_JOURNALLED}
    if done.quality:
        facts |= {"check": done.quality.method, "error_rate": done.quality.errors.overall.rate}
    facts = {"file": str(path), "digest": digest, **facts}
    if done.changed:
        _commit(project, found, facts)
    elif digest and not recording.was_taken_in(project, digest):
        ledger.note(project, "import-labels", **facts)


def _commit(project: Project, found: Found, facts: dict[str, Any]) -> None:
    """Write down who said what, then the labels; what is written first counts only once these are there."""
    changed = found.outcome.manifest
    if any(len(rows) for rows, _ in found.added.values()):
        changed = votebook.write(project, changed, found.added)
    ledger.commit(project, changed, command="import-labels", **facts)


_NOT_JOURNALLED = ("changed", "still_out", "unsent", "held_out", "gold", "quality")


def _report(before: Manifest, answers: Answers, found: Found, quality: Quality | None) -> ImportReport:
    verdicts, outcome = found.verdicts, found.outcome
    taken = np.concatenate([outcome.fresh, outcome.replaced])
    added = outcome.manifest.classes[len(before.classes) :]
    golden = np.unique(found.planted.rows)
    return ImportReport(
        rows=len(answers),
        images=len(verdicts.rows) + len(verdicts.declined) + verdicts.unanswered + len(golden),
        labelled=len(outcome.fresh),
        replaced=len(outcome.replaced),
        kept=len(outcome.kept),
        unchanged=len(outcome.unchanged),
        unanswered=verdicts.unanswered,
        skipped=len(outcome.skipped),
        unsent=len(outcome.unsent),
        held_out=int((~before.equals("split", "train")[taken]).sum()),
        by_round=_by_round(before, np.unique(outcome.returned)),
        still_out=_by_round(outcome.manifest, np.arange(len(before))),
        new_classes=added,
        votes=len(found.added[votebook.VOTES][0]),
        gold=tuple(found.planted.agreement(found.answers)),
        consensus=found.consensus,
        quality=quality,
        changed=outcome.changes
        or any(len(rows) for rows, _ in found.added.values())
        or (quality is not None and quality.changed),
    )


def _by_round(manifest: Manifest, rows: NDArray[np.int64]) -> dict[int, int]:
    """Return how many of `rows` are out, by round."""
    rounds = manifest.table["queried_round"].fill_null(-1).to_numpy()[rows]
    numbers, counts = np.unique(rounds[rounds >= 0], return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))
