"""Running a function over images and saving what it returns, part by part.

There is one such loop in the program; networks, frozen backbones and later signals all go through it.
Decoding runs ahead in worker processes, a part is saved when it is full, and a killed run goes on after its
last part. Batches never straddle parts, so a resumed run computes the very same batches as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import identity
from alcli.errors import InputRejected
from alcli.images.album import Decoders, opened
from alcli.images.pipeline import Batch
from alcli.images.transform import Transform
from alcli.manifest import Manifest
from alcli.progress import Progress, silent
from alcli.project import Project
from alcli.signals import ROWS_PER_PART, Part, SignalStore

Arrays = dict[str, NDArray[Any]]


def stale_rows(manifest: Manifest, rows: NDArray[np.int64], store: SignalStore) -> NDArray[np.int64]:
    """Return those of `rows` that `store` lacks, or whose file changed since it was read."""
    if not store:
        return rows
    sizes, mtimes = _numbers(manifest, "size")[rows], _numbers(manifest, "mtime_ns")[rows]
    keys = manifest.keys[rows]
    at = store.locate_rows(manifest.keys, rows)
    found = at >= 0
    saved = store.rows
    fresh = np.zeros(len(rows), np.bool_)
    fresh[found] = (saved["size"].to_numpy()[at[found]] == sizes[found]) & (
        saved["mtime_ns"].to_numpy()[at[found]] == mtimes[found]
    )
    known = np.flatnonzero(~fresh & _known(store.unreadable, keys))
    for position, name in zip(known, manifest.strings("alcli_id", rows[known]), strict=True):
        entry = store.unreadable[str(name)]
        fresh[position] = _fingerprint(entry) == (sizes[position], mtimes[position])
    return rows[~fresh]


def save_signals(
    project: Project,
    manifest: Manifest,
    rows: NDArray[np.int64],
    store: SignalStore,
    transform: Transform,
    compute: Callable[[NDArray[np.uint8]], Arrays],
    *,
    batch_size: int,
    workers: Decoders = None,
    progress: Progress = silent,
    stage: str = "scoring",
) -> int:
    """Compute signals for `rows` and append them to `store`, which has been created.

    Args:
        project: The pool.
        manifest: Its manifest.
        rows: (r,) rows of the manifest, ascending.
        store: Where to save them.
        transform: How pixels are made of files.
        compute: Takes (b, H, W, C) pixels, returns arrays of b rows by signal name.
        batch_size: Images per call of `compute`, at most 16,384.
        workers: Decoding processes, None for one per core; or an album of the images.
        progress: Told of every batch.
        stage: What to call this.

    Returns:
        How many images could not be decoded.

    Raises:
        InputRejected: A signal is NaN or infinite; the image is named.
    """
    names = manifest.strings("file_name", rows)
    paths = [f"{project.pool}/{name}" for name in names]
    keys = manifest.keys[rows]
    part = _GrowingPart()
    unreadable = 0
    with opened(workers, transform) as pool, progress(stage, len(rows)) as advance:
        for batch in pool.stream(paths, batch_size=batch_size):
            count = len(batch.problems)
            mine = slice(batch.start, batch.start + count)
            good = np.array([problem is None for problem in batch.problems])
            arrays = compute(batch.pixels if good.all() else batch.pixels[good]) if good.any() else {}
            _refuse_nan(arrays, np.flatnonzero(good) + batch.start, names)
            part.add(batch, keys[mine], good, arrays)
            unreadable += count - int(good.sum())
            if part.images + batch_size > ROWS_PER_PART:
                store.append(part.finished())
                part = _GrowingPart()
            advance(count, f"{unreadable} unreadable" if unreadable else "")
    if part.images:
        store.append(part.finished())
    return unreadable


def derive_signals(
    source: SignalStore,
    name: str,
    store: SignalStore,
    keys: NDArray[np.uint64],
    compute: Callable[[NDArray[Any]], Arrays],
) -> None:
    """Compute signals of the images `keys` from signal `name` of another store and append them to `store`."""
    for start in range(0, len(keys), ROWS_PER_PART):
        some = keys[start : start + ROWS_PER_PART]
        some = some[source.locate(some) >= 0]  # the others could not be decoded
        facts = source.rows.take(source.locate(some))
        if len(some):
            store.append(
                Part(
                    some,
                    compute(source.read([name], some)[name]),
                    facts["size"].to_numpy(),
                    facts["mtime_ns"].to_numpy(),
                    facts["sha256"].to_pylist(),
                )
            )


def with_findings(manifest: Manifest, store: SignalStore) -> Manifest:
    """Return the manifest with what reading the files showed: digests, sizes, and which are unreadable."""
    saved = store.rows
    at = store.locate(manifest.keys)
    rows = np.flatnonzero(at >= 0)
    known = (
        manifest.filled("sha256")[rows]
        & (_numbers(manifest, "size")[rows] == saved["size"].to_numpy()[at[rows]])
        & (_numbers(manifest, "mtime_ns")[rows] == saved["mtime_ns"].to_numpy()[at[rows]])
    )
    changed = rows[~known]
    if len(changed):
        facts = saved.take(at[changed])
        manifest = manifest.assign(
            changed,
            sha256=facts["sha256"].to_pylist(),
            size=facts["size"].to_numpy(),
            mtime_ns=facts["mtime_ns"].to_numpy(),
        )
    return mark_unreadable(manifest, store.unreadable, newer=at >= 0)


def mark_unreadable(
    manifest: Manifest, unreadable: dict[str, dict[str, Any]], newer: NDArray[np.bool_] | None = None
) -> Manifest:
    """Return the manifest with the images of `unreadable` (by id, as in a store) marked so, with the reason.

    Args:
        manifest: The pool's manifest.
        unreadable: For each id `problem`, `sha256`, `size` and `mtime_ns`.
        newer: (n,) rows known to be readable if their file is not the one found unreadable.
    """
    sizes, mtimes = _numbers(manifest, "size"), _numbers(manifest, "mtime_ns")
    rows, entries = [], []
    found = np.flatnonzero(manifest.readable & _known(unreadable, manifest.keys))
    for row, name in zip(found, manifest.strings("alcli_id", found), strict=True):
        entry = unreadable[str(name)]
        if newer is None or not newer[row] or _fingerprint(entry) == (sizes[row], mtimes[row]):
            rows.append(row)
            entries.append(entry)
    if not rows:
        return manifest
    return manifest.assign(
        np.array(rows),
        status="unreadable",
        problem=[entry["problem"] for entry in entries],
        **{name: [entry[name] for entry in entries] for name in ("sha256", "size", "mtime_ns")},
        queried_round=None,
    )


class _GrowingPart:
    """Rows on their way into one part."""

    def __init__(self) -> None:
        self.images = 0
        self._pieces: list[Part] = []

    def add(self, batch: Batch, keys: NDArray[np.uint64], good: NDArray[np.bool_], arrays: Arrays) -> None:
        ids = identity.ids_of(keys)
        bad = [
            {
                "alcli_id": ids[int(i)].as_py(),
                "problem": batch.problems[i],
                "sha256": batch.sha256[i],
                "size": int(batch.sizes[i]),
                "mtime_ns": int(batch.mtimes_ns[i]),
            }
            for i in np.flatnonzero(~good)
        ]
        sha256 = [digest for digest, fine in zip(batch.sha256, good, strict=True) if fine]
        self._pieces.append(Part(keys[good], arrays, batch.sizes[good], batch.mtimes_ns[good], sha256, bad))
        self.images += len(good)

    def finished(self) -> Part:
        filled = [piece for piece in self._pieces if len(piece.keys)] or self._pieces[:1]
        return Part(
            np.concatenate([piece.keys for piece in filled]),
            {name: np.concatenate([piece.signals[name] for piece in filled]) for name in filled[0].signals},
            np.concatenate([piece.sizes for piece in filled]),
            np.concatenate([piece.mtimes_ns for piece in filled]),
            [digest for piece in filled for digest in piece.sha256],
            [entry for piece in self._pieces for entry in piece.unreadable],
        )


def _refuse_nan(arrays: Arrays, rows: NDArray[np.int64], names: list[str | None]) -> None:
    for name, values in arrays.items():
        fine = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if not fine.all():
            raise InputRejected(
                f"signal {name} is not finite for {int((~fine).sum())} images",
                hint="train with a lower --lr, or in --precision fp32",
                details=[str(names[row]) for row in rows[~fine]],
            )


def _known(unreadable: dict[str, dict[str, Any]], keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which of `keys` stand for the ids in `unreadable`."""
    return np.isin(keys, np.array([int(name[1:], 16) for name in unreadable], np.uint64))


def _numbers(manifest: Manifest, column: str) -> NDArray[np.int64]:
    return np.asarray(manifest.table[column].to_numpy())


def _fingerprint(entry: dict[str, Any]) -> tuple[int, int]:
    return int(entry["size"]), int(entry["mtime_ns"])
