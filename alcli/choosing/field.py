"""Who may be chosen: the audit is drawn, duplicates step back, and the rest may be narrowed to candidates."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alcli import files, randomness, ranking
from alcli.choosing.source import Source
from alcli.errors import UsageError
from alcli.fingerprint import Fingerprint
from alcli.geometry import duplicates
from alcli.manifest import Manifest
from alcli.request import Request

Positions = NDArray[np.int64]

logger = logging.getLogger("alcli")

_PROBED = 10  # candidates for each image asked for, where the network is differentiated for each
_PROBED_AT_MOST = 20_000


@dataclass(frozen=True)
class Field:
    """The images that may be chosen and who of them the strategy ranks.

    Attributes:
        rows: (n,) rows of the manifest, ascending.
        keys: (n,) their keys.
        drawn: Positions drawn for the audit, in order of the draw.
        count: How many images the strategy is to choose.
        eligible: (e,) positions that the strategy ranks, ascending.
        doubles: By row of the manifest, the row that stands for it: of the same group, or labelled already.
        approximations: What narrowed the field, in words.
    """

    rows: Positions
    keys: NDArray[np.uint64]
    drawn: Positions
    count: int
    eligible: Positions
    doubles: dict[int, int] = field(default_factory=dict)
    approximations: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether every image is ranked."""
        return len(self.eligible) == len(self.rows)

    def listed(self, manifest: Manifest, positions: Positions) -> list[str | None]:
        """Return the file names of each image's duplicates as a JSON list; None where it has none."""
        groups: dict[int, list[int]] = {}
        for row, first in self.doubles.items():
            groups.setdefault(first, []).append(row)
        found: list[str | None] = []
        for row in self.rows[positions].tolist():
            names = manifest.strings("file_name", np.array(groups[row])) if row in groups else None
            found.append(json.dumps(names, ensure_ascii=False) if names else None)
        return found


def candidates(manifest: Manifest, request: Request) -> NDArray[np.bool_]:
    """Return (n,) which images may be chosen: the queryable ones, and with `relabel` those labelled and not out."""
    queryable = manifest.queryable
    if request.relabel:
        own = manifest.equals("split", "train") & manifest.equals("status", "ok")
        queryable |= manifest.labelled & own & ~manifest.out
    return queryable


def begin(manifest: Manifest, request: Request, round_: int) -> Field:
    """Return the images that may be chosen, with those of the audit drawn; the audit is of unlabelled ones."""
    rows = np.flatnonzero(candidates(manifest, request))
    keys = manifest.keys[rows]
    count = min(request.budget(len(rows)), len(rows))
    unlabelled = np.flatnonzero(~manifest.labelled[rows])
    audits = min(request.audits(count), len(unlabelled))
    drawn = unlabelled[audit_draw(keys[unlabelled], audits, seed=request.seed, round_=round_)]
    left = np.ones(len(rows), np.bool_)
    left[drawn] = False
    return Field(rows, keys, drawn, count - len(drawn), np.flatnonzero(left))


def audit_draw(keys: NDArray[np.uint64], count: int, *, seed: int, round_: int) -> Positions:
    """Return the positions of `count` images drawn uniformly without replacement, in order of the draw."""
    if not count:
        return np.empty(0, np.int64)
    return ranking.top(randomness.uniform(seed, f"audit-{round_}", keys), keys, count)


def deduplicated(field: Field, source: Source, request: Request, fingerprint: Fingerprint) -> Field:
    """Keep one eligible image of each group of duplicates: the one with the smallest id.

    Two images are duplicates if their files have the same SHA-256, or their embeddings a cosine of at least
    `dedup_threshold`, by default as `duplicates.groups` has it. A duplicate of an image whose label is known, in
    whatever split, or on its way, is not kept.
    """
    manifest = source.manifest
    keys = manifest.keys
    settled = manifest.readable & (manifest.labelled | manifest.out)
    settled[field.rows[field.drawn]] = True
    settled[field.rows[field.eligible]] = False  # with `relabel` what has a label may be chosen
    known = np.flatnonzero(settled)
    known = known[np.argsort(keys[known])]
    pool = field.eligible[np.argsort(field.keys[field.eligible])]
    members = np.concatenate([known, field.rows[pool]])  # the first of a group represents it
    found = duplicates.groups(
        _embeddings(source, members, fingerprint),
        hashes=_codes(source, members),
        threshold=request.dedup_threshold,
        first=np.arange(len(members)) < len(known),
    )
    mine = found.representative[len(known) :]
    own = mine == np.arange(len(known), len(members))
    doubles = zip(field.rows[pool[~own]].tolist(), members[mine[~own]].tolist(), strict=True)
    return dataclasses.replace(
        field,
        eligible=np.sort(pool[own]),
        doubles=dict(doubles),
        approximations=[*field.approximations, *found.approximations],
    )


def candidates_by_default(k: int) -> int:
    """Return how many images a network is differentiated for, if nobody says: 10·k, at most 20,000."""
    return max(k, min(_PROBED * k, _PROBED_AT_MOST))


def narrowed(field: Field, limit: int, by: str, order: Callable[[NDArray[np.uint64]], Positions]) -> Field:
    """Keep `limit` candidates of the eligible.

    Args:
        field: The images.
        limit: How many to keep; at least as many as are to be chosen.
        by: `margin` for the smallest margins, `random` for a uniform draw.
        order: Returns the positions of keys, best first.

    Raises:
        UsageError: `limit` is less than what is to be chosen.
    """
    if limit < field.count:
        raise UsageError(f"--candidates {limit} is fewer than the {field.count} images to choose")
    total = len(field.eligible)
    if limit >= total:
        return field
    kept = np.sort(field.eligible[order(field.keys[field.eligible])[:limit]])
    how = "with the smallest margins" if by == "margin" else "drawn at random"
    note = f"only {limit:,} candidates of {total:,} images, {how}, were considered"
    return dataclasses.replace(field, eligible=kept, approximations=[*field.approximations, note])


def _embeddings(source: Source, rows: Positions, fingerprint: Fingerprint) -> NDArray[np.float32]:
    """Return the embeddings of images; zeros, which resemble nothing, where they are not known."""
    shape = source.shapes.get("embeddings", (1,))
    found = np.zeros((len(rows), *shape), np.float32)
    if "embeddings" in source.shapes:
        keys = source.manifest.keys[rows]
        scored = source.store.locate(keys) >= 0
        arrays = source.store.read(["embeddings"], keys[scored])
        fingerprint.add(keys[scored], arrays)
        found[scored] = arrays["embeddings"]
    else:
        logger.info("no embeddings are known: only files with the same bytes count as duplicates")
    return found


def _codes(source: Source, rows: Positions) -> NDArray[np.int64]:
    """Return a code for the bytes of each file; -1 where no other is as long and `score` has not read it yet."""
    digests = source.manifest.strings("sha256", rows)
    sizes = source.manifest.table["size"].to_numpy()[rows]
    _, groups, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    unread = np.array([digest is None for digest in digests], np.bool_)
    wanted = np.flatnonzero(unread & (counts[groups] > 1))
    for at, name in zip(wanted, source.manifest.strings("file_name", rows[wanted]), strict=True):
        with contextlib.suppress(OSError):  # it is gone: whoever opens it will say so
            digests[at] = files.sha256(source.project.pool / str(name))
    codes: dict[str, int] = {}
    return np.array([-1 if d is None else codes.setdefault(d, len(codes)) for d in digests], np.int64)
