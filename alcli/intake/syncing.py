"""What a later `init` changes: new, vanished, returned and changed files, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alcli.manifest import Manifest

_GONE = "the file is gone"
_WAS = re.compile(rf"{_GONE}(?:; was (?P<status>\w+)(?:: (?P<problem>.*))?)?", re.DOTALL)


@dataclass(frozen=True)
class Changes:
    """What differs between the manifest and the folder, as numbers of images.

    Attributes:
        new: Not seen before.
        missing: Vanished since.
        back: Missing before, and there again.
        changed: Of another size or time than before.
        renamed: Spelled in another Unicode form than before.
    """

    new: int = 0
    missing: int = 0
    back: int = 0
    changed: int = 0
    renamed: int = 0

    def __bool__(self) -> bool:
        return any((self.new, self.missing, self.back, self.changed, self.renamed))


@dataclass(frozen=True)
class Pairing:
    """Which row of the manifest is which image of the folder.

    Attributes:
        old: (p,) rows of the manifest whose image is in the folder, ascending.
        found: (p,) rows of the folder's listing, image by image the same as `old`.
        new: Rows of the folder's listing that are not in the manifest.
        gone: Rows of the manifest that are not in the folder.
    """

    old: NDArray[np.int64]
    found: NDArray[np.int64]
    new: NDArray[np.int64]
    gone: NDArray[np.int64]


def pair(manifest: Manifest, found: Manifest) -> Pairing:
    """Pair images by identity, so that a copy that changed the Unicode form of a name is the same image."""
    _, old, at = np.intersect1d(manifest.keys, found.keys, assume_unique=True, return_indices=True)
    order = np.argsort(old)
    old, at = old[order], at[order]
    new = np.setdiff1d(np.arange(len(found)), at, assume_unique=True)
    gone = np.setdiff1d(np.arange(len(manifest)), old, assume_unique=True)
    return Pairing(old, at, new, gone)


def sync(manifest: Manifest, found: Manifest) -> tuple[Manifest, Changes]:
    """Bring a manifest in line with the folder.

    Args:
        manifest: As it stands.
        found: What is in the folder now, as a manifest of its own.

    Returns:
        The manifest as it is to be, and what changed.
    """
    pairing = pair(manifest, found)
    missing = pairing.gone[~manifest.equals("status", "missing")[pairing.gone]]
    back = pairing.old[manifest.equals("status", "missing")[pairing.old]]
    manifest, changed = _with_changed(manifest, found, pairing)
    manifest, renamed = _with_renamed(manifest, found, pairing)
    manifest = _with_missing(manifest, missing)
    manifest = _with_returned(manifest, back)
    if len(pairing.new) or renamed:
        table = found.table.take(pairing.new)
        classes = [*manifest.classes, *(name for name in found.classes if name not in manifest.classes)]
        manifest = manifest.extended({name: table[name] for name in table.column_names}, classes)
    return manifest, Changes(len(pairing.new), len(missing), len(back), changed, renamed)


def _with_changed(manifest: Manifest, found: Manifest, pairing: Pairing) -> tuple[Manifest, int]:
    """Note new sizes and times; a file that was unreadable may be readable now."""
    sizes, mtimes_ns = _integers(found, "size")[pairing.found], _integers(found, "mtime_ns")[pairing.found]
    differs = _integers(manifest, "size")[pairing.old] != sizes
    differs |= _integers(manifest, "mtime_ns")[pairing.old] != mtimes_ns
    rows = pairing.old[differs]
    if not len(rows):
        return manifest, 0
    unreadable = rows[manifest.equals("status", "unreadable")[rows]]
    manifest = manifest.assign(rows, size=sizes[differs], mtime_ns=mtimes_ns[differs], sha256=None)
    return manifest.assign(unreadable, status="ok", problem=None), len(rows)


def _with_renamed(manifest: Manifest, found: Manifest, pairing: Pairing) -> tuple[Manifest, int]:
    before = np.array(manifest.strings("file_name", pairing.old), object)
    now = np.array(found.strings("file_name", pairing.found), object)
    differs = before != now
    return manifest.assign(pairing.old[differs], file_name=now[differs]), int(differs.sum())


def _with_missing(manifest: Manifest, rows: NDArray[np.int64]) -> Manifest:
    """Mark images missing, and remember what they were, should they come back."""
    statuses, problems = manifest.strings("status", rows), manifest.strings("problem", rows)
    told = [_told(status, problem) for status, problem in zip(statuses, problems, strict=True)]
    return manifest.assign(rows, status="missing", problem=told)


def _with_returned(manifest: Manifest, rows: NDArray[np.int64]) -> Manifest:
    """Give images that are there again the status that they had; what was unreadable is tried again."""
    were = [_WAS.fullmatch(problem or "") for problem in manifest.strings("problem", rows)]
    return manifest.assign(
        rows,
        status=[(was and was["status"]) or "ok" for was in were],
        problem=[was["problem"] if was else None for was in were],
    )


def _told(status: str | None, problem: str | None) -> str:
    if status in ("ok", "unreadable"):
        return _GONE
    return f"{_GONE}; was {status}" + (f": {problem}" if problem else "")


def _integers(manifest: Manifest, column: str) -> NDArray[np.int64]:
    return np.asarray(manifest.table[column].fill_null(-1).to_numpy(), np.int64)
