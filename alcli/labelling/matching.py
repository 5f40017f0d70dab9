"""Which image of the pool a row of a labels file means. Never a guess: one image, or a problem.

In this order: `alcli_id`; the exact relative path; what a URL, a percent-encoded or otherwise spelled path
stands for; `sha256`; and the bare file name, only if asked for and only if one image has it.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alcli import identity, tables
from alcli.errors import UsageError
from alcli.labelling.answers import Answers, Cells
from alcli.labelling.problems import Problem
from alcli.manifest import Manifest

_ID = re.compile(r"x([0-9a-f]{16})")
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>[^?#]*)", re.IGNORECASE)
_LOCAL_FILES = re.compile(
    r"[^?]*/data/local-files/\?(?:.*&)?d=([^&]*)"
)  # how Label Studio names a file on disk
_PREFIX = re.compile(r"(?P<old>.+?)(?:(?<!\?d)=(?P<new>.*))?")  # OLD=NEW; the `=` of `?d=` is part of OLD
_CHUNK = 65_536

Prefixes = Sequence[tuple[str, str]]


def parse_prefix(text: str) -> tuple[str, str]:
    """Read `OLD` or `OLD=NEW`.

    Raises:
        UsageError: OLD is empty.
    """
    found = _PREFIX.fullmatch(text)
    if not found:
        raise UsageError(f"--strip-prefix '{text}': OLD or OLD=NEW is expected")
    return found["old"], found["new"] or ""


def match(
    answers: Answers, manifest: Manifest, *, pool: Path, prefixes: Prefixes = (), basename: bool = False
) -> tuple[NDArray[np.int64], list[Problem]]:
    """Find the image of every row.

    Args:
        answers: r rows of a labels file.
        manifest: The pool's manifest.
        pool: The pool's folder; absolute paths into it are understood.
        prefixes: What to take off the front of paths, and what to put in its place.
        basename: Also match by bare file name, where only one image has it.

    Returns:
        (r,) rows of the manifest, -1 where there is a problem; and these problems.
    """
    by_id = _find_ids(answers.ids, manifest)
    by_path = _find_paths(answers.images, manifest, _Speller(f"{pool.absolute()}/", prefixes))
    rows = np.where(by_id >= 0, by_id, by_path)
    why: dict[int, str] = {}
    if (rows < 0).any() and any(answers.sha256):
        digests = _Index(identity.text_keys([digest or "" for digest in manifest.strings("sha256")]))
        digests.fill(
            rows, [(cell or "").strip().lower() for cell in answers.sha256], why, "images have this content"
        )
    if (rows < 0).any() and basename:
        names = _Index(identity.text_keys([_basename(name) for name in manifest.strings("file_name")]))
        names.fill(rows, [_basename(cell) for cell in answers.images], why, "images have this name")
    has_id = np.fromiter((bool(cell) for cell in answers.ids), np.bool_, len(answers))
    bad = np.flatnonzero(
        (rows < 0) | (has_id & (by_id < 0)) | ((by_id >= 0) & (by_path >= 0) & (by_id != by_path))
    )
    for position, name in zip(bad.tolist(), manifest.strings("file_name", by_id[bad].clip(0)), strict=True):
        if by_id[position] >= 0:
            why[position] = f"the alcli_id beside it is that of {name}"
    rows[bad] = -1
    return rows, [_problem(answers, position, why.get(position)) for position in bad.tolist()]


def _problem(answers: Answers, position: int, why: str | None) -> Problem:
    line, image = int(answers.lines[position]), answers.name(position)
    if why:
        return Problem(line, image, "ambiguous image", why)
    if not image:
        return Problem(line, image, "malformed row", "no image is named")
    if answers.ids[position]:
        return Problem(
            line, image, "unknown image", f"no image of the pool has the alcli_id {answers.ids[position]}"
        )
    if ".." in re.split(r"[/\\]", image):
        return Problem(line, image, "unknown image", "the path leads out of the pool")
    return Problem(line, image, "unknown image", "not in the pool")


class _Index:
    """Finds rows by 64-bit keys; a key that several rows have finds none."""

    def __init__(self, keys: NDArray[np.uint64]) -> None:
        self.order = np.argsort(keys, kind="stable")
        self.keys = keys[self.order]

    def find(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return for each key its row, -1 unless there is exactly one, and how many rows there are."""
        first = np.searchsorted(self.keys, keys, side="left")
        counts = np.searchsorted(self.keys, keys, side="right") - first
        rows = np.full(len(keys), -1)
        rows[counts == 1] = self.order[first[counts == 1]]
        return rows, counts

    def fill(self, rows: NDArray[np.int64], texts: Sequence[str], why: dict[int, str], several: str) -> None:
        """Set the entries of `rows` that are -1 to the row that has the text; say why where many have it."""
        missing = [position for position in np.flatnonzero(rows < 0).tolist() if texts[position]]
        found, counts = self.find(identity.text_keys([texts[position] for position in missing]))
        rows[missing] = found
        for position, count in zip(missing, counts.tolist(), strict=True):
            if count > 1:
                why[position] = f"{count} {several}"


def _find_ids(cells: Cells, manifest: Manifest) -> NDArray[np.int64]:
    """Return (r,) the rows that have these ids; -1 where there is no id or no such image."""
    rows = np.full(len(cells), -1)
    found = [
        (at, int(hit[1], 16))
        for at, cell in enumerate(cells)
        if cell and (hit := _ID.fullmatch(_trimmed(cell)))
    ]
    if found:
        positions, keys = zip(*found, strict=True)
        rows[list(positions)] = _Index(manifest.keys).find(np.array(keys, np.uint64))[0]
    return rows


def _find_paths(cells: Cells, manifest: Manifest, speller: _Speller) -> NDArray[np.int64]:
    """Return (r,) the rows that have these paths, as written or as they may be read; -1 where none has."""
    index = _Index(manifest.keys)
    rows = np.full(len(cells), -1)
    for start in range(0, len(cells), _CHUNK):
        chunk = [cell or "" for cell in cells[start : start + _CHUNK]]
        mine = rows[start : start + _CHUNK]
        mine[:] = index.find(identity.text_keys(chunk))[0]
        spelled = [
            (at, text) for at in np.flatnonzero(mine < 0).tolist() for text in speller.readings(chunk[at])
        ]
        found = index.find(identity.text_keys([text for _, text in spelled]))[0]
        for (at, _), row in zip(reversed(spelled), found[::-1].tolist(), strict=True):
            mine[at] = row if row >= 0 else mine[at]  # the likeliest reading comes first, so it is set last
    return rows


class _Speller:
    """Knows what a path that is not one of the pool's may stand for."""

    def __init__(self, pool: str, prefixes: Prefixes) -> None:
        self.pool = pool
        self.prefixes = prefixes

    def readings(self, text: str) -> Collection[str]:
        """Return paths relative to the pool, the likeliest first."""
        text = tables.spreadsheet_unsafe(text)
        whole, bare = _path(text)
        decoded = urllib.parse.unquote(bare)
        found = []
        for old, new in self.prefixes:
            for written in (whole, bare):
                plain = urllib.parse.unquote(written)
                if written.startswith(old):
                    found.append(new + urllib.parse.unquote(written.removeprefix(old)))
                if plain.startswith(old):
                    found.append(new + plain.removeprefix(old))
        stripped = (self._relative(path).lstrip("/") for path in found)
        return dict.fromkeys([*stripped, self._relative(text), self._relative(decoded)])

    def _relative(self, path: str) -> str:
        return path.replace("\\", "/").removeprefix(self.pool).removeprefix("./")


def _path(text: str) -> tuple[str, str]:
    """Return a path or URL as its file has it but for a query that signs it, and the bare path of a file on disk."""
    if "/local-files/" in text and (local := _LOCAL_FILES.fullmatch(text)):
        return text, local[1]
    url = _URL.match(text)
    whole = url[0] if url else text
    if url and url["scheme"].lower() == "file":
        return whole, "/" + url["rest"].partition("/")[2]
    return whole, whole


def _basename(cell: str | None) -> str:
    """Return the last part of a path or URL."""
    _, bare = _path(tables.spreadsheet_unsafe(cell or ""))
    return re.split(r"[/\\]", urllib.parse.unquote(bare))[-1]


def _trimmed(cell: str) -> str:
    return cell.strip().lower()
