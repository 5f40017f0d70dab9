"""The pool in one look."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from alcli import __version__, auditing, files, stopping, summary
from alcli.models import ModelRecord
from alcli.project import Project
from alcli.reporting.history import SPLIT_NAMES, accuracy_of
from alcli.reporting.page import Overview
from alcli.stopping import Advice


def overview(project: Project, record: ModelRecord | None) -> Overview:
    """Return the counts that `status` shows, and its advice."""
    counts = summary.read(project)
    facts = [
        ("images", _count(counts["images"])),
        ("labelled", _count(counts["labelled"])),
        ("labelled to train on", _count(counts["labelled_train"])),
        ("pseudo-labelled", _count(counts["pseudo_labelled"])),
        ("queryable", _count(counts["queryable"])),
        ("out for labelling", _count(counts["out"])),
        ("splits", _listed(counts["splits"])),
        ("rounds", _count(counts["round"])),
        ("newest model", _model(record)),
        *_label_quality(project, counts["digest"]),
    ]
    return Overview(
        str(project.pool),
        _last_change(project),
        __version__,
        facts,
        _advice(stopping.advice(project, counts)),
    )


def _advice(rules: Sequence[Advice]) -> list[str]:
    """Say what the rules say, once there is a round to say it of."""
    if not any(rule.rounds for rule in rules):
        return []
    says, sentence = stopping.summed_up(rules)
    each = [f"{rule.name}: {rule.says}, {rule.sentence}" for rule in rules if rule.sentence != sentence]
    return [f"{says}: {sentence}", *each]


def _count(number: int) -> str:
    return f"{number:,}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _model(record: ModelRecord | None) -> str:
    if record is None:
        return "none yet"
    accuracy, split = accuracy_of(record)
    told = "" if accuracy is None else f"{SPLIT_NAMES[split]} accuracy {accuracy:.1%}"
    parts = (record.id, str(record.about.get("architecture", record.about["kind"])), told)
    return ", ".join(part for part in parts if part)


def _label_quality(project: Project, digest: str) -> list[tuple[str, str]]:
    """Return what the newest audit found, and whether it was of the labels as they are now."""
    found = auditing.newest(project)
    if not found:
        return []
    rate = found["errors"]["overall"]
    told = (
        f"{found['suspects']:,} of {found['labels']:,} labels suspect by {found['request']['method']}, "
        f"estimated error rate {rate['rate']:.1%} (95 % interval {rate['low']:.1%} to {rate['high']:.1%})"
    )
    stale = "" if found["manifest"] == digest else "; the manifest has changed since"
    return [(f"label audit {found['audit']}", told + stale)]


def _last_change(project: Project) -> str:
    """Return when the pool's state changed last, so that a report of the same state has the same bytes."""
    lines = files.read_lines(project.journal)
    if lines:
        return str(lines[-1]["at"])
    changed = datetime.datetime.fromtimestamp(project.manifest.stat().st_mtime, datetime.UTC)
    return changed.isoformat(timespec="seconds")
