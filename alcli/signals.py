"""Signals on disk: what `score` saves and strategies read.

A store is a folder of Arrow IPC parts of at most 16,384 rows, and `signals.json` that names the signals. A
part is whole or absent, so scoring resumes part by part. An image that stands in several parts, because its
file changed and it was scored again, counts as the last one says.
"""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import files, identity
from alcli.errors import InputRejected, StepMissing

ROWS_PER_PART = 16_384
RECORD = "signals.json"
_UNREADABLE = b"alcli.unreadable"


@dataclass(frozen=True)
class Part:
    """The rows of one part, as `append` takes them.

    Attributes:
        keys: (r,) keys of the images.
        signals: By name, arrays of r rows.
        sizes: (r,) bytes, as found when the file was read.
        mtimes_ns: (r,) as found when the file was read.
        sha256: r hex digests of the files' bytes; None where unknown.
        unreadable: Images that could not be decoded: dictionaries with `alcli_id`, `problem`, `sha256`,
            `size` and `mtime_ns`. They have no row.
    """

    keys: NDArray[np.uint64]
    signals: dict[str, NDArray[Any]]
    sizes: NDArray[np.int64]
    mtimes_ns: NDArray[np.int64]
    sha256: Sequence[str | None]
    unreadable: list[dict[str, Any]] = field(default_factory=list)


class SignalStore:
    """The signals of one model.

    Args:
        folder: `signals/<model id>`; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._located = self._all_located = np.empty(0, np.uint64), np.empty(0, np.int64)

    def __bool__(self) -> bool:
        return (self.folder / RECORD).exists()

    @functools.cached_property
    def about(self) -> dict[str, Any]:
        """The content of `signals.json`.

        Raises:
            StepMissing: Nothing was ever scored here.
            InputRejected: It is damaged.
        """
        if not self:
            raise StepMissing(f"no signals in {self.folder}", hint="alcli score POOL")
        try:
            return files.read_record(self.folder / RECORD, ["signals"])
        except (ValueError, TypeError) as error:
            raise InputRejected(
                f"{self.folder / RECORD} cannot be read: {error}",
                hint=f"rm -r {shlex.quote(str(self.folder))}, and alcli score computes its signals again",
            ) from error

    def create(self, **about: Any) -> None:
        """Write `signals.json`: `model`, `transform`, and `signals` with the shape and dtype of each."""
        files.write_json(self.folder / RECORD, {"schema": 1, **about})
        self._forget()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of one row of each signal; `()` for a scalar."""
        return {name: tuple(kind["shape"]) for name, kind in self.about["signals"].items()}

    @functools.cached_property
    def parts(self) -> list[Path]:
        """The part files, oldest first."""
        return sorted(self.folder.glob("part-*.arrow"))

    def append(self, part: Part) -> None:
        """Save one part, whole or not at all."""
        number = int(self.parts[-1].stem.split("-")[1]) + 1 if self.parts else 0
        columns: dict[str, Any] = {
            "alcli_id": identity.ids_of(part.keys),
            "size": pa.array(part.sizes, pa.int64()),
            "mtime_ns": pa.array(part.mtimes_ns, pa.int64()),
            "sha256": pa.array(part.sha256, pa.string()),
        }
        columns |= {name: _to_arrow(values) for name, values in part.signals.items()}
        table = pa.table(columns).replace_schema_metadata({_UNREADABLE: json.dumps(part.unreadable).encode()})
        with files.atomic_path(self.folder / f"part-{number:05d}.arrow") as temporary:
            with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
        self._forget()

    @functools.cached_property
    def rows(self) -> pa.Table:
        """Columns `alcli_id`, `size`, `mtime_ns`, `sha256` of every row of every part, in order."""
        names = ["alcli_id", "size", "mtime_ns", "sha256"]
        tables = [_open(path).select(names) for path in self.parts]
        kinds = [pa.string(), pa.int64(), pa.int64(), pa.string()]
        return pa.concat_tables(
            [pa.table({n: pa.array([], k) for n, k in zip(names, kinds, strict=True)}), *tables]
        )

    @functools.cached_property
    def unreadable(self) -> dict[str, dict[str, Any]]:
        """What is known of the images that could not be decoded, by id."""
        found: dict[str, dict[str, Any]] = {}
        for path in self.parts:
            for entry in json.loads((_open(path).schema.metadata or {}).get(_UNREADABLE, b"[]")):
                found[entry["alcli_id"]] = entry
        return found

    @functools.cached_property
    def keys(self) -> NDArray[np.uint64]:
        """Keys of every row of every part, in order."""
        return identity.keys_of(self.rows["alcli_id"])

    def locate(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return for each key the number of its newest row over all parts, or -1."""
        if np.array_equal(
            self._located[0], keys
        ):  # to ask what is scored, and then to read it, is one search
            return self._located[1]
        if np.array_equal(self.keys, keys):
            return np.arange(len(keys))
        if not len(self.keys):
            return np.full(len(keys), -1)
        order, ordered = self._index
        asked = np.argsort(keys)  # searching in ascending order walks through memory instead of jumping about
        at = np.empty(len(keys), np.int64)
        at[asked] = np.searchsorted(ordered, keys[asked], side="right") - 1
        self._located = keys, np.where((at >= 0) & (ordered[at] == keys), order[at], -1)
        return self._located[1]

    def locate_rows(self, keys: NDArray[np.uint64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what `locate` says of `keys[rows]`; who asks again of the same array `keys` gets it at once."""
        if self._all_located[0] is not keys:
            self._all_located = keys, self.locate(keys)
        found = self._all_located[1][rows]
        self._located = keys[rows], found  # who asks what is scored will read just that next
        return found

    @functools.cached_property
    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Row numbers in the order of their keys, the newest of an image last, and the keys in that order."""
        order = np.argsort(self.keys)
        ordered = self.keys[order]
        if (ordered[1:] == ordered[:-1]).any():  # only then is the slower, stable sort needed
            order = np.argsort(self.keys, kind="stable")
        return order, ordered

    def chunks(
        self, names: Sequence[str], keys: NDArray[np.uint64]
    ) -> Iterator[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]]:
        """Yield the signals of the images `keys`, part by part, in memory that does not grow with their number.

        Args:
            names: Signals to read.
            keys: (n,) images; each must have been scored.

        Yields:
            The positions in `keys` that this chunk covers, ascending, and the arrays of these rows by name.

        Raises:
            InputRejected: A signal is missing, or an image has none.
        """
        missing = [name for name in names if name not in self.shapes]
        if missing:
            raise InputRejected(
                f"the signals in {self.folder} have no {', '.join(missing)}; they have {', '.join(self.shapes)}"
            )
        rows = self.locate(keys)
        if (rows < 0).any():
            raise StepMissing(f"{int((rows < 0).sum())} images have no signals", hint="alcli score POOL")
        order = np.argsort(rows, kind="stable")  # of rows that ascend already, it costs next to nothing
        ordered = rows[order]
        start = 0
        for path in self.parts:
            table = _open(path)
            first, last = np.searchsorted(ordered, (start, start + len(table)))
            if first < last:
                positions = np.sort(order[first:last])
                local = rows[positions] - start
                yield positions, {name: _to_numpy(table[name], self.shapes[name])[local] for name in names}
            start += len(table)

    def read(self, names: Sequence[str], keys: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
        """Return the signals of the images `keys` as whole arrays of n rows, in the order of `keys`."""
        whole: dict[str, NDArray[Any]] = {}
        for positions, arrays in self.chunks(names, keys):
            for name, values in arrays.items():
                if name not in whole:
                    whole[name] = np.empty((len(keys), *values.shape[1:]), values.dtype)
                whole[name][positions] = values
        for name in names:
            if name not in whole:
                whole[name] = np.empty((0, *self.shapes[name]), self.about["signals"][name]["dtype"])
        return whole

    def _forget(self) -> None:
        self._located = self._all_located = np.empty(0, np.uint64), np.empty(0, np.int64)
        for name in ("about", "parts", "rows", "unreadable", "keys", "_index"):
            self.__dict__.pop(name, None)


def _open(path: Path) -> pa.Table:
    """Map one part into memory; nothing is read until it is used.

    Raises:
        InputRejected: It is damaged.
    """
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowException, OSError) as error:
        raise InputRejected(
            f"the signals in {path} cannot be read: {error}",
            hint=f"rm {shlex.quote(str(path))}, and alcli score computes them again",
        ) from error


def _to_arrow(values: NDArray[Any]) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return (
        flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, int(np.prod(values.shape[1:])))
    )


def _to_numpy(column: pa.ChunkedArray, shape: tuple[int, ...]) -> NDArray[Any]:
    """View a column as (r, *shape); no copy is made of a part's single chunk."""
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    flat = array.flatten() if shape else array
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(column), *shape)
