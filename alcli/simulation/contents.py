"""What the image files of a pool hold: digests of their bytes, found out once and kept beside the simulations.

Other pixels under the same names are another experiment. Another time on a file is not, nor another copy of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from alcli import files
from alcli.images import decoding
from alcli.images.decoding import Decoded
from alcli.manifest import Manifest
from alcli.progress import Progress
from alcli.project import Project

_AT_ONCE = 512
_THREADS = 8  # they wait for the disk, or for a server
_SCHEMA = pa.schema(
    [("key", pa.uint64()), ("size", pa.int64()), ("mtime_ns", pa.int64()), ("sha256", pa.string())]
)
_NOTHING = np.empty(0, np.uint8)


def told(project: Project, ground_: Manifest, *, keep: bool, progress: Progress) -> Manifest:
    """Return the images with the digest of each file; null for one that cannot be read.

    What the manifest does not know, since no command has read the file, is read here. A digest counts for as long
    as the manifest has the file with the size and time that it was read with.

    Args:
        project: The pool.
        ground_: Images of its manifest.
        keep: Write down what was read, so that no later call reads it again.
        progress: Told of every file that is read.
    """
    path = project.home / "simulations" / "images.parquet"
    ground_ = _recalled(ground_, _kept(path))
    unknown = np.flatnonzero(~ground_.filled("sha256"))
    if not len(unknown):
        return ground_
    names = [f"{project.pool}/{name}" for name in ground_.strings("file_name", unknown)]
    read = _read(names, progress)
    ground_ = ground_.assign(unknown, sha256=[one.sha256 for one in read])
    if keep:
        _keep(path, ground_, unknown, read)
    return ground_


def _recalled(ground_: Manifest, kept: pa.Table) -> Manifest:
    """Fill in the digests of files that were read before and are as they were."""
    if not len(kept):
        return ground_
    keys = kept["key"].to_numpy()
    at = np.searchsorted(keys, ground_.keys).clip(max=len(keys) - 1)
    same = ~ground_.filled("sha256") & (keys[at] == ground_.keys)
    for name in ("size", "mtime_ns"):
        same &= kept[name].to_numpy()[at] == _integers(ground_, name)
    rows = np.flatnonzero(same)
    return ground_.assign(rows, sha256=kept["sha256"].take(pa.array(at[rows])).to_pylist())


def _read(paths: Sequence[str], progress: Progress) -> list[Decoded]:
    """Read whole files, several at a time."""

    def some(start: int) -> list[Decoded]:
        return [decoding.decode_as(path, lambda _: _NOTHING) for path in paths[start : start + _AT_ONCE]]

    read: list[Decoded] = []
    with ThreadPoolExecutor(_THREADS, "alcli-read") as pool, progress("reading", len(paths)) as advance:
        for batch in pool.map(some, range(0, len(paths), _AT_ONCE)):
            read += batch
            advance(len(batch))
    return read


def _kept(path: Path) -> pa.Table:
    """Return what earlier calls read, by ascending key; what is no such file counts for nothing."""
    with contextlib.suppress(OSError, pa.ArrowException):
        return pq.read_table(path, schema=_SCHEMA)
    return _SCHEMA.empty_table()


def _keep(path: Path, ground_: Manifest, fresh: NDArray[np.int64], read: Sequence[Decoded]) -> None:
    """Write down the digests with the size and the time that each file was read with."""
    sizes, mtimes_ns = (_integers(ground_, name) for name in ("size", "mtime_ns"))
    sizes[fresh], mtimes_ns[fresh] = [one.size for one in read], [one.mtime_ns for one in read]
    table = pa.table(
        [ground_.keys, sizes, mtimes_ns, ground_.table["sha256"].combine_chunks()], schema=_SCHEMA
    )
    table = table.take(np.flatnonzero(ground_.filled("sha256"))).sort_by("key")
    with files.atomic_path(path, flush=False) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _integers(ground_: Manifest, column: str) -> NDArray[np.int64]:
    return np.array(ground_.table[column].fill_null(-1).to_numpy(), np.int64)
