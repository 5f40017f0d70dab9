"""The one way to change a manifest: commit it, remember the one before, write down who did what.

A commit's single instant is the rename of the new manifest. A kill before it leaves everything as it was; a
kill after it loses at most the journal line and the summary, and the next writer makes up for both.
"""

from __future__ import annotations

import contextlib
import datetime
import getpass
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alcli import files, summary
from alcli import manifest as manifests
from alcli.errors import CannotWrite, StepMissing
from alcli.manifest import Manifest
from alcli.project import Project

logger = logging.getLogger("alcli")

KEPT = 20  # earlier manifests; a step back further than this nobody takes


@contextlib.contextmanager
def writing(project: Project, command: str) -> Iterator[None]:
    """Hold the pool's lock for `command`, and make up for what a killed writer left undone.

    Raises:
        LockHeld: Another alcli is writing.
        CannotWrite: The disk is full or read-only.
        InputRejected: The manifest cannot be read.
    """
    with project.locked(command):
        stale = project.manifest.exists() and not summary.is_current(project)
        if stale and manifests.is_manifest(project.manifest):
            manifest = manifests.read(project.manifest)
            _note(project, summary.write(project, manifest), "recovered", {"rows": len(manifest)})
        yield


def read(project: Project) -> Manifest:
    """Read the pool's manifest; the rows of one that alcli wrote and nobody touched since are not checked again.

    Raises:
        InputRejected: It is not a manifest, or somebody made a bad one of it.
    """
    return manifests.read(project.manifest, trusted=summary.is_current(project))


def commit(project: Project, manifest: Manifest, *, command: str, **facts: Any) -> None:
    """Make `manifest` the pool's manifest, keeping the earlier one for `undo`. The caller holds the lock.

    Args:
        project: The pool.
        manifest: What it is to be.
        command: The command that made it, for the journal.
        facts: What to write down about it, such as counts.

    Raises:
        CannotWrite: The disk is full or read-only; nothing was changed.
    """
    kept = earlier_manifests(project)
    with files.storage_errors(project.manifest):
        place = _remember(project, command, number=_number(kept[-1]) + 1 if kept else 1)
        try:
            manifests.write(manifest, project.manifest)
        except BaseException:
            if place is not None:
                place.unlink(missing_ok=True)
            raise
    for old in kept[: max(0, len(kept) + 1 - KEPT)]:
        _forget(old)
    _tell(project, manifest, command, facts)


def note(project: Project, command: str, **facts: Any) -> None:
    """Write down a change that left the manifest as it is, such as a new model."""
    with files.storage_errors(project.journal):
        _note(project, summary.read(project), command, facts)


def standing(project: Project) -> list[dict[str, Any]]:
    """Return the journal's lines, oldest first, without what `undo` took back."""
    lines: list[dict[str, Any]] = []
    for line in files.read_lines(project.journal):
        if line.get("command") != "undo":
            lines.append(line)
            continue
        while lines and lines[-1].get("manifest") != line.get("manifest"):
            lines.pop()
    return lines


def undo(project: Project, *, dry_run: bool = False) -> str:
    """Bring the manifest back as it was before the last command that changed it.

    Args:
        project: The pool.
        dry_run: Only say which command that is.

    Returns:
        The command that was undone.

    Raises:
        StepMissing: There is no earlier manifest.
        LockHeld: Another alcli is writing.
        CannotWrite: The disk is full or read-only; nothing was changed.
    """
    if dry_run:
        return _command(_one_back(project))
    if not project.home.exists():
        raise _nothing_to_undo(project)
    with project.locked("undo"):
        earlier = _one_back(project)
        for unused in earlier_manifests(project):
            if _number(unused) > _number(earlier):  # a commit was killed before its rename
                unused.unlink()
        files.move(earlier, project.manifest)
        command = _command(earlier)
        if manifests.is_manifest(project.manifest):
            _tell(project, manifests.read(project.manifest), "undo", {"undone": command})
        return command


def earlier_manifests(project: Project) -> list[Path]:
    """Return the files of the earlier manifests, oldest first."""
    return sorted(project.history.glob("[0-9]*.parquet"))


def _one_back(project: Project) -> Path:
    """Return the newest earlier manifest that is not the present one."""
    for earlier in reversed(earlier_manifests(project)):
        if not project.manifest.exists() or not _same(earlier, project.manifest):
            return earlier
    raise _nothing_to_undo(project)


def _nothing_to_undo(project: Project) -> StepMissing:
    return StepMissing(f"nothing to undo: no earlier manifest of {project.pool} is kept")


def _number(earlier: Path) -> int:
    return int(earlier.name.split("-")[0])


def _command(earlier: Path) -> str:
    """Return the command that replaced this manifest."""
    return earlier.stem.split("-", 1)[1]


def _remember(project: Project, command: str, *, number: int) -> Path | None:
    """Keep the manifest that is about to be replaced; a hard link where the disk can, so it costs nothing."""
    if not project.manifest.exists():
        return None
    project.history.mkdir(parents=True, exist_ok=True)
    place = project.history / f"{number:06d}-{command}.parquet"
    try:
        place.hardlink_to(project.manifest)
    except OSError:
        with files.atomic_path(place) as temporary:
            shutil.copy2(project.manifest, temporary)
    return place


def _forget(earlier: Path) -> None:
    """Let an earlier manifest go; a file that the user brought stays, under a name that is no step back."""
    if manifests.is_manifest(earlier):
        earlier.unlink(missing_ok=True)
    else:
        earlier.replace(earlier.with_name(f"original-{files.file_digest(earlier)}.parquet"))


def _same(one: Path, other: Path) -> bool:
    return one.samefile(other) or (
        one.stat().st_size == other.stat().st_size and files.file_digest(one) == files.file_digest(other)
    )


def _tell(project: Project, manifest: Manifest, command: str, facts: dict[str, Any]) -> None:
    """Write the counts and the journal's line; the change has happened, a full disk cannot undo it."""
    try:
        _note(project, summary.write(project, manifest), command, facts)
    except CannotWrite as error:
        logger.warning("%s is done, but its line in the journal is not: %s", command, error.message)


def _note(project: Project, counts: dict[str, Any], command: str, facts: dict[str, Any]) -> None:
    line = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "user": _user(),
        "command": command,
        **facts,
        "manifest": counts["digest"],
    }
    files.append_line(project.journal, json.dumps(line, ensure_ascii=False))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return str(os.getuid())
