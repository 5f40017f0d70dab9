"""Taking labels back: match every row to an image, check them all, change the manifest once or never."""

from __future__ import annotations

import collections
import contextlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alcli import ledger
from alcli import manifest as manifests
from alcli.labelling import answers as returned
from alcli.labelling import matching, merging, votes
from alcli.labelling import problems as reports
from alcli.labelling.answers import Answers
from alcli.labelling.merging import Merge, OnConflict
from alcli.labelling.problems import Problem
from alcli.labelling.votes import Resolve, Verdicts
from alcli.manifest import Manifest
from alcli.project import Project

__all__ = ["ImportReport", "OnConflict", "Resolve", "Rules", "import_labels"]


@dataclass(frozen=True)
class Rules:
    """How a labels file is understood.

    Attributes:
        prefixes: `OLD` or `OLD=NEW`: what to take off paths, and what to put in its place.
        basename: Also match by bare file name, where only one image has it.
        new_classes: Unknown labels become classes, after those there are.
        on_conflict: What to do where a person gave another label before.
        resolve: What counts where annotators disagree.
        annotator: Who answered the rows that name nobody.
    """

    prefixes: Sequence[str] = ()
    basename: bool = False
    new_classes: bool = False
    on_conflict: OnConflict = "error"
    resolve: Resolve = "error"
    annotator: str | None = None


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
        unsent: Of those labelled, never sent out for labelling.
        held_out: Of those labelled, in the val or test split.
        by_round: Of those labelled, how many came back of each round.
        still_out: How many of each round are still out.
        new_classes: Classes that the file added.
        changed: Whether the manifest was changed, or in a dry run would be.
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
    changed: bool


def import_labels(
    project: Project,
    path: Path,
    *,
    rules: Rules = Rules(),
    kind: str | None = None,
    encoding: str | None = None,
    report: Path | None = None,
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
        dry_run: Check, count, and leave the manifest as it is.

    Raises:
        StepMissing: There is no manifest.
        InputRejected: The file cannot be read, or a row of it cannot be taken; all of them are named.
        UsageError: A prefix or the report's name is wrong.
    """
    project.require_manifest()
    if report:
        reports.check_report(report)
    prefixes = [matching.parse_prefix(prefix) for prefix in rules.prefixes]
    answers = _signed(returned.read(path, kind=kind, encoding=encoding), rules.annotator)
    with contextlib.nullcontext() if dry_run else ledger.writing(project, "import-labels"):
        before = manifests.read(project.manifest)
        verdicts, outcome, problems = _check(before, answers, rules, prefixes, project.pool)
        if report:
            reports.write_report(report, problems)
        if problems:
            hint = _hint(project, path, problems)
            raise reports.rejection(path, problems, rows=len(answers), unit=answers.unit, hint=hint)
        done = _report(before, answers, verdicts, outcome)
        if done.changed and not dry_run:
            facts = {
                name: value for name, value in vars(done).items() if value and name not in _NOT_JOURNALLED
            }
            ledger.commit(project, outcome.manifest, command="import-labels", file=str(path), **facts)
    return done


_NOT_JOURNALLED = ("changed", "still_out", "unsent", "held_out")
# What to try where most problems are of one kind.
_REMEDIES = {
    "unknown class": "--new-classes",
    "conflict": "--on-conflict=keep",
    "disagreement": "--resolve=majority",
}
_PATHS = "paths are relative to the pool, with / between folders; --strip-prefix OLD=NEW rewrites others"


def _check(
    before: Manifest, answers: Answers, rules: Rules, prefixes: matching.Prefixes, pool: Path
) -> tuple[Verdicts, Merge, list[Problem]]:
    """Work out what the file says and what it would change, and everything that is wrong with it."""
    rows, problems = matching.match(answers, before, pool=pool, prefixes=prefixes, basename=rules.basename)
    codes, classes, unknown = merging.classify(answers, before.classes, new_classes=rules.new_classes)
    rows = np.where((answers.labels < 0) | (codes[answers.labels] >= 0), rows, -1)
    verdicts, disputes = votes.settle(answers, rows, resolve=rules.resolve)
    outcome, conflicts = merging.merge(
        replace(before, classes=classes),
        verdicts,
        codes[verdicts.labels],
        on_conflict=rules.on_conflict,
        source=f"import:{answers.kind}",
    )
    clashes = [
        Problem(
            int(verdicts.lines[at]),
            before.strings("file_name", verdicts.rows[[at]])[0] or "",
            "conflict",
            text,
        )
        for at, text in conflicts
    ]
    return verdicts, outcome, [*problems, *unknown, *disputes, *clashes]


def _signed(answers: Answers, annotator: str | None) -> Answers:
    """Return the answers with a name put to those that have none."""
    if not annotator:
        return answers
    code = len(answers.annotator_names)
    return replace(
        answers,
        annotators=np.where(answers.annotators < 0, np.int32(code), answers.annotators),
        annotator_names=[*answers.annotator_names, annotator],
    )


def _hint(project: Project, path: Path, problems: Sequence[Problem]) -> str | None:
    """Return what to try against the commonest kind of problem."""
    kind = collections.Counter(problem.kind for problem in problems).most_common(1)[0][0]
    if kind == "unknown image":
        return _PATHS
    if kind in _REMEDIES:
        return project.command("import-labels", _REMEDIES[kind], shlex.quote(str(path)))
    return None


def _report(before: Manifest, answers: Answers, verdicts: Verdicts, outcome: Merge) -> ImportReport:
    taken = np.concatenate([outcome.fresh, outcome.replaced])
    added = outcome.manifest.classes[len(before.classes) :]
    return ImportReport(
        rows=len(answers),
        images=len(verdicts.rows) + len(verdicts.declined) + verdicts.unanswered,
        labelled=len(outcome.fresh),
        replaced=len(outcome.replaced),
        kept=len(outcome.kept),
        unchanged=len(outcome.unchanged),
        unanswered=verdicts.unanswered,
        skipped=len(outcome.skipped),
        unsent=int((~before.out[outcome.fresh]).sum()),
        held_out=int((~before.equals("split", "train")[taken]).sum()),
        by_round=_by_round(before, taken),
        still_out=_by_round(outcome.manifest, np.arange(len(before))),
        new_classes=added,
        changed=outcome.changes,
    )


def _by_round(manifest: Manifest, rows: NDArray[np.int64]) -> dict[int, int]:
    """Return how many of `rows` are out, by round."""
    rounds = manifest.table["queried_round"].fill_null(-1).to_numpy()[rows]
    numbers, counts = np.unique(rounds[rounds >= 0], return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))
