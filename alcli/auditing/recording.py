"""Audits on disk: `audits/<number>/suspects.csv`, and `audit.json`, which makes it count."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pyarrow as pa

from alcli import exporters, files, ledger
from alcli.project import Project

RECORD = "audit.json"
LISTING = "suspects.csv"


def newest(project: Project) -> dict[str, Any]:
    """Return the record of the newest audit; nothing where there is none, or none that can be read."""
    for path in sorted(project.audits.glob(f"[0-9]*/{RECORD}"), reverse=True):
        with contextlib.suppress(OSError, ValueError, TypeError):
            return dict(files.read_json(path))
    return {}


def listing(project: Project, number: int) -> Path:
    """Return where the list of an audit is."""
    return project.audits / f"{number:04d}" / LISTING


def record(project: Project, about: dict[str, Any], table: pa.Table, *, csv_safe: bool) -> Path:
    """Write an audit down and return the path of its list; the same audit again is written in its old place.

    Args:
        project: The pool; the caller holds its lock.
        about: What was asked, of what, and what was found; no clock, so that it repeats.
        table: The list.
        csv_safe: Quote cells that a spreadsheet would run.
    """
    before = newest(project)
    number = before.get("audit", 0)
    about = {"schema": "alcli/audit/1", "audit": number, **about}
    repeated = before == about
    if not repeated:
        about["audit"] = number + 1
    path = listing(project, about["audit"])
    exporters.save(table, path, "csv", csv_safe=csv_safe)
    files.write_json(path.with_name(RECORD), about)
    if not repeated:
        facts = {name: about[name] for name in ("audit", "model", "labels", "suspects")}
        ledger.note(project, "audit", method=about["request"]["method"], **facts)
    return path
