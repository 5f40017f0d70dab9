"""What a labels file says of the pool, what it would change, and what is wrong with it; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import votebook
from alcli.labelling import asking, earlier, matching, merging, planted, recording, votes
from alcli.labelling.answers import Answers
from alcli.labelling.crowd import Crowd
from alcli.labelling.merging import Merge, OnConflict
from alcli.labelling.planted import Planted
from alcli.labelling.problems import Problem
from alcli.labelling.votes import Resolve, Verdicts
from alcli.manifest import Manifest
from alcli.project import Project


@dataclass(frozen=True)
class Rules:
    """How a labels file is understood.

    Attributes:
        prefixes: `OLD` or `OLD=NEW`: what to take off paths, and what to put in its place.
        basename: Also match by bare file name, where only one image has it.
        new_classes: Unknown labels become classes, after those there are.
        on_conflict: What to do where a person gave another label before.
        resolve: What counts where annotators disagree; see `votes.settle`.
        annotator: Who answered the rows that name nobody.
    """

    prefixes: Sequence[str] = ()
    basename: bool = False
    new_classes: bool = False
    on_conflict: OnConflict = "error"
    resolve: Resolve = "error"
    annotator: str | None = None


DEFAULTS = Rules()


@dataclass(frozen=True)
class Found:
    """What a file says and would change, and everything that is wrong with it.

    Attributes:
        answers: The file's rows; labels are codes of the pool's classes and, after these, of what only gold rows were
            answered with; -1 for what is neither.
        verdicts: One answer per image.
        outcome: What they change.
        planted: The answers to gold rows.
        votes: What named annotators said, before and now, in order of deliveries.
        added: What is new on record, as `votebook.write` takes it.
        consensus: How annotators who disagree were weighed, in words; None where they were not.
        problems: What is wrong.
    """

    answers: Answers
    verdicts: Verdicts
    outcome: Merge
    planted: Planted
    votes: pa.Table
    added: dict[str, tuple[pa.Table, NDArray[np.int64]]]
    consensus: str | None
    problems: list[Problem]


def decide(
    project: Project, before: Manifest, answers: Answers, rules: Rules, prefixes: matching.Prefixes
) -> Found:
    """Work out what the file says and what it would change, and everything that is wrong with it."""
    answers = answers.signed(rules.annotator)
    rows, problems = matching.match(
        answers, before, pool=project.pool, prefixes=prefixes, basename=rules.basename
    )
    golden = planted.find(project, before, answers, rows, correcting=rules.on_conflict == "replace")
    answers, classes, unknown = merging.classify(
        answers, before.classes, new_classes=rules.new_classes, gold=golden.at
    )
    rows[golden.at] = -1
    twice = golden.twice(answers, later_corrects=rules.resolve == "latest")
    golden = golden.last(answers)
    record = votebook.read(project, before)
    cast = recording.votes(answers, before, rows, record)
    crowd = Crowd(project, before, classes)
    verdicts, disputes = votes.settle(
        earlier.gathered(answers, rows, before, record), resolve=rules.resolve, weigh=crowd.weigh
    )
    outcome, conflicts = merging.merge(
        replace(before, classes=classes),
        verdicts,
        golden.rows,
        asked=asking.asked(project, before, verdicts.rows),
        on_conflict=rules.on_conflict,
        source=f"import:{answers.kind}",
    )
    return Found(
        answers,
        verdicts,
        outcome,
        golden,
        pa.concat_tables([record.select(cast[0].column_names), cast[0]]),
        {votebook.VOTES: cast, votebook.GOLD_ANSWERS: golden.new(answers, before)},
        crowd.told(),
        [*problems, *unknown, *twice, *disputes, *_clashes(before, verdicts, conflicts)],
    )


def _clashes(before: Manifest, verdicts: Verdicts, conflicts: Sequence[tuple[int, str]]) -> list[Problem]:
    """Return a problem for each conflict: a position in the verdicts, and a description."""
    names = before.strings("file_name", verdicts.rows[[at for at, _ in conflicts]]) if conflicts else []
    return [
        Problem(int(verdicts.lines[at]), name or "", "conflict", text)
        for name, (at, text) in zip(names, conflicts, strict=True)
    ]
