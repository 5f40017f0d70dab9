"""The label manifest: one row per image, in one Parquet file that pandas, DuckDB and datasets read too."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from alcli import files, identity
from alcli.errors import InputRejected
from alcli.project import Project
from alcli.schema import (
    COLUMNS,
    SCHEMA_VERSION,
    SPLITS,
    STATUSES,
    checked,
    is_manifest,
    newest_round,
    with_all_labels,
)

__all__ = ["COLUMNS", "SPLITS", "STATUSES", "Manifest", "is_manifest", "read", "write"]

# Few distinct values: a dictionary makes them small. The others differ in every row.
_REPETITIVE = [
    "label",
    "label_source",
    "annotator",
    "pseudo_label",
    "pseudo_method",
    "split",
    "status",
    "problem",
]
_INCOMPRESSIBLE = ("alcli_id", "sha256")  # digits of digests: compressing them takes time and saves nothing


@dataclass(frozen=True)
class Manifest:
    """The manifest in memory; it never changes, every change makes another.

    Attributes:
        table: The columns of `COLUMNS` and whatever columns a user added, sorted by `file_name`.
        classes: Class names in model order.
        round: Number of the newest round; 0 before the first `select`.
    """

    table: pa.Table
    classes: tuple[str, ...] = ()
    round: int = 0

    @classmethod
    def build(cls, columns: dict[str, Any], classes: Sequence[str]) -> Self:
        """Make a manifest from at least `file_name`, `size` and `mtime_ns`; the rest is filled in.

        Args:
            columns: Arrow or Python columns of equal length by name, in any row order.
            classes: Class names in model order.

        Raises:
            InputRejected: Two file names are equal, or equal once Unicode is normalised.
        """
        names = columns["file_name"]
        count = len(names)
        given = dict(columns)
        if "alcli_id" not in given:
            listed = names.to_pylist() if isinstance(names, pa.Array) else names
            given["alcli_id"] = identity.ids_of(identity.text_keys(listed))
        given.setdefault("split", pa.repeat("train", count))
        given.setdefault("status", pa.repeat("ok", count))
        arrays = {
            name: given[name] if name in given else pa.nulls(count, kind)
            for name, kind in zip(COLUMNS.names, COLUMNS.types, strict=True)
        }
        table = pa.table({**arrays, **{n: c for n, c in given.items() if n not in arrays}})
        return cls(checked(table, "the pool"), tuple(classes))

    def __len__(self) -> int:
        return len(self.table)

    @functools.cached_property
    def keys(self) -> NDArray[np.uint64]:
        """(n,) keys of the images' ids; they sort as the ids do."""
        return identity.keys_of(self.table["alcli_id"])

    @functools.cached_property
    def label_codes(self) -> NDArray[np.int32]:
        """(n,) indices into `classes` of the human labels; -1 where there is none."""
        return self.codes("label")

    def codes(self, column: str) -> NDArray[np.int32]:
        """Return (n,) indices into `classes` of a column of class names; -1 where null or unknown."""
        found = pc.index_in(
            self.table[column].cast(pa.string()), value_set=pa.array(self.classes, pa.string())
        )
        return np.asarray(pc.fill_null(found, -1).to_numpy(), np.int32)

    def equals(self, column: str, value: str | int) -> NDArray[np.bool_]:
        """Return (n,) whether `column` is `value`; null is not."""
        return _mask(pc.equal(self.table[column], value))

    def filled(self, column: str) -> NDArray[np.bool_]:
        """Return (n,) whether `column` has a value."""
        return _mask(pc.is_valid(self.table[column]))

    @functools.cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """(n,) whether a person labelled the image."""
        return self.filled("label")

    @functools.cached_property
    def readable(self) -> NDArray[np.bool_]:
        """(n,) whether the image can be decoded, as far as is known: `ok`, or declined by a person."""
        return self.equals("status", "ok") | self.equals("status", "skipped")

    @functools.cached_property
    def out(self) -> NDArray[np.bool_]:
        """(n,) whether the image is out for labelling."""
        return self.filled("queried_round")

    @functools.cached_property
    def pool(self) -> NDArray[np.bool_]:
        """(n,) whether the image could be queried if it were not out: train, ok, without a human label."""
        return self.equals("split", "train") & self.equals("status", "ok") & ~self.labelled

    @property
    def queryable(self) -> NDArray[np.bool_]:
        """(n,) whether the image may be queried now."""
        return self.pool & ~self.out

    def copies(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return (n,) which images have the same bytes as one of `mask`, as far as their bytes are known."""
        digests = self.table["sha256"]
        theirs = pc.unique(digests.filter(pa.array(mask))).drop_null()
        return _mask(pc.is_in(digests, value_set=theirs))

    @property
    def open_rounds(self) -> list[int]:
        """Rounds with images that are not back, oldest first."""
        return sorted(
            value for value in pc.unique(self.table["queried_round"]).to_pylist() if value is not None
        )

    def extended(self, columns: dict[str, Any], classes: Sequence[str]) -> Self:
        """Return a manifest with more images; columns that a user added are empty in their rows.

        Args:
            columns: As for `build`.
            classes: Class names in model order, those of this manifest first.

        Raises:
            InputRejected: An image is here already, or equal to one here once Unicode is normalised.
        """
        more = type(self).build(columns, classes).table
        table = pa.concat_tables([self.table, more.replace_schema_metadata()], promote_options="default")
        table = table.replace_schema_metadata(self.table.schema.metadata)
        return type(self)(checked(table.combine_chunks(), "the pool"), tuple(classes), self.round)

    def strings(self, column: str, rows: NDArray[Any] | None = None) -> list[str | None]:
        """Return a string column, or `rows` of it, as a list."""
        data = self.table[column] if rows is None else self.table[column].take(pa.array(rows))
        return list(data.to_pylist())

    def replace(
        self, *, classes: Sequence[str] | None = None, round_: int | None = None, **columns: Any
    ) -> Self:
        """Return a manifest in which `columns` (each of n values) take the place of those here."""
        table = self.table
        for name, values in columns.items():
            at = table.schema.get_field_index(name)
            kind = COLUMNS.field(name).type
            data = (
                values.cast(kind)
                if isinstance(values, pa.Array | pa.ChunkedArray)
                else pa.array(values, kind)
            )
            table = table.set_column(at, pa.field(name, kind), data)
        changed = type(self)(
            table,
            self.classes if classes is None else tuple(classes),
            self.round if round_ is None else round_,
        )
        if "keys" in self.__dict__ and "alcli_id" not in columns:
            changed.__dict__["keys"] = (
                self.keys
            )  # the images are the same; a million ids take a while to read
        return changed

    def assign(self, rows: NDArray[Any], **values: Any) -> Self:
        """Return a manifest with some cells changed.

        Args:
            rows: (r,) row numbers, or an (n,) mask.
            values: By column name, one value for all of `rows` (None clears) or r values.
        """
        mask = rows if rows.dtype == np.bool_ else np.zeros(len(self), np.bool_)
        order = np.arange(int(mask.sum()))
        if rows.dtype != np.bool_:
            mask[rows] = True
            order = np.argsort(rows, kind="stable")
        return self.replace(
            **{name: self._assigned(name, mask, order, value) for name, value in values.items()}
        )

    def _assigned(self, name: str, mask: NDArray[np.bool_], order: NDArray[np.intp], value: Any) -> pa.Array:
        kind = COLUMNS.field(name).type
        if isinstance(value, list | tuple | np.ndarray | pa.Array):
            new = pa.array(value, kind).take(pa.array(order))
        else:
            new = pa.scalar(value, kind)
        current = self.table[name].cast(kind).combine_chunks()
        return pc.replace_with_mask(current, pa.array(mask), new)


def read(path: Path, columns: Iterable[str] | None = None, *, trusted: bool = False) -> Manifest:
    """Read a manifest and check it.

    A manifest that another tool wrote back, without our metadata, is taken as long as its columns are there.

    Args:
        path: The Parquet file.
        columns: Read only these, for speed; a manifest read in part cannot be written.
        trusted: alcli wrote the file and nobody touched it since, so its rows need no check.

    Raises:
        InputRejected: Not Parquet, a column is missing or of another type, a row stands twice, or the schema
            is newer than this program.
    """
    try:
        file = pq.ParquetFile(path, memory_map=True)
        metadata = file.schema_arrow.metadata or {}
        version = int(metadata.get(b"alcli.schema", b"0"))
        if version > SCHEMA_VERSION:
            raise InputRejected(
                f"{path} has schema {version}; this alcli knows up to {SCHEMA_VERSION}",
                hint="pip install -U alcli",
            )
        needed = COLUMNS.names if columns is None else list(columns)
        missing = [name for name in needed if name not in file.schema_arrow.names]
        if missing:
            raise InputRejected(f"{path} lacks the columns {', '.join(missing)}", hint=_way_back(path))
        table = file.read(columns=None if columns is None else needed)
        classes = json.loads(metadata.get(b"alcli.classes", b"[]"))
        round_ = metadata.get(b"alcli.round")
        number = newest_round(table) if round_ is None else int(round_)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputRejected(f"{path} is not a label manifest: {error}", hint=_way_back(path)) from error
    if trusted:
        return Manifest(table, tuple(classes), number)
    return Manifest(checked(table, str(path)), with_all_labels(classes, table, str(path)), number)


def _way_back(path: Path) -> str:
    """Return the hint for a damaged manifest; `undo` needs no images, only the folder that the manifest is in."""
    undo = Project(pool=path.parent, state=path.parent).command("undo")
    return f"{undo}\nif no earlier manifest is kept, move {path.name} away and run init again"


def write(manifest: Manifest, path: Path) -> None:
    """Write a manifest, whole or not at all; the same rows give the same bytes.

    Raises:
        CannotWrite: The disk is full or read-only.
    """
    metadata = {
        **(manifest.table.schema.metadata or {}),
        b"alcli.schema": str(SCHEMA_VERSION).encode(),
        b"alcli.classes": json.dumps(manifest.classes, ensure_ascii=False).encode(),
        b"alcli.round": str(manifest.round).encode(),
    }
    table = manifest.table.replace_schema_metadata(metadata)
    with files.atomic_path(path) as temporary:
        pq.write_table(
            table,
            temporary,
            row_group_size=131_072,
            use_dictionary=_REPETITIVE,
            compression={name: "none" if name in _INCOMPRESSIBLE else "lz4" for name in table.column_names},
            write_statistics=False,
            store_schema=True,
        )


def _mask(values: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return an Arrow boolean column as a numpy mask; null is False."""
    return np.asarray(pc.fill_null(values, False).to_numpy(), np.bool_)
