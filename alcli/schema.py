"""What a label manifest must look like, and the check that a table does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alcli import identity
from alcli.errors import InputRejected

SCHEMA_VERSION = 1
COLUMNS = pa.schema(
    [
        ("file_name", pa.string()),
        ("alcli_id", pa.string()),
        ("label", pa.string()),
        ("label_source", pa.string()),
        ("label_round", pa.int32()),
        ("annotator", pa.string()),
        ("labelled_at", pa.timestamp("us", tz="UTC")),
        ("agreement", pa.float32()),
        ("pseudo_label", pa.string()),
        ("pseudo_confidence", pa.float32()),
        ("pseudo_method", pa.string()),
        ("pseudo_round", pa.int32()),
        ("queried_round", pa.int32()),
        ("split", pa.string()),
        ("status", pa.string()),
        ("problem", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("sha256", pa.string()),
    ]
)
GIVEN = ("label", "label_source", "label_round", "annotator", "labelled_at", "agreement")  # by people
GUESSED = ("pseudo_label", "pseudo_confidence", "pseudo_method", "pseudo_round")  # by models
SPLITS = ("train", "val", "test")
STATUSES = ("ok", "unreadable", "missing", "skipped", "excluded")


def is_manifest(path: Path) -> bool:
    """Return whether `path` is a manifest of ours, good or bad, and not another Parquet file of this name."""
    found = _schema_of(path)
    return found is not None and _is_ours(found)


def is_another(path: Path) -> bool:
    """Return whether `path` is a Parquet file that can be read and is no manifest of ours."""
    found = _schema_of(path)
    return found is not None and not _is_ours(found)


def checked(table: pa.Table, where: str) -> pa.Table:
    """Return `table` with our columns in our types, sorted by name, each image once.

    Args:
        table: Some or all columns of a manifest, and any others.
        where: What to call it in messages.

    Raises:
        InputRejected: A column has another type or a value that it cannot have, or an image stands twice.
    """
    for at, name in enumerate(table.column_names):
        if name in COLUMNS.names and table.schema.field(at).type != COLUMNS.field(name).type:
            kind = COLUMNS.field(name).type
            try:
                table = table.set_column(at, pa.field(name, kind), table[name].cast(kind))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise InputRejected(f"{where}: column {name} is not {kind}: {error}") from error
    for name, allowed in (("split", SPLITS), ("status", STATUSES)):
        _check_values(table, name, allowed, where)
    if "file_name" in table.column_names:
        table = _sorted(table, where)
    if "alcli_id" in table.column_names:
        _check_ids(table, where)
    return table


def with_all_labels(classes: Sequence[str], table: pa.Table, where: str) -> tuple[str, ...]:
    """Return `classes`, and after them in UTF-8 order the labels of `table` that are none of these.

    A tool that edits the manifest may bring in a class, or drop the list of classes altogether.

    Raises:
        InputRejected: A label is empty.
    """
    used: set[str] = set()
    for name in {"label", "pseudo_label"} & set(table.column_names):
        used.update(table[name].unique().drop_null().to_pylist())
    if "" in used:
        raise InputRejected(f"{where}: a label is empty", hint="write null where there is no label")
    return (*classes, *sorted(used.difference(classes)))


def newest_round(table: pa.Table) -> int:
    """Return the newest round that any image has to do with, for a table that lost its metadata."""
    rounds = {"label_round", "pseudo_round", "queried_round"} & set(table.column_names)
    return max((int(pc.max(table[name]).as_py() or 0) for name in rounds), default=0)


def _schema_of(path: Path) -> pa.Schema | None:
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError):
        return None


def _is_ours(found: pa.Schema) -> bool:
    """Return whether a file's metadata name our schema, or, where another tool dropped them, all columns are there."""
    return b"alcli.schema" in (found.metadata or {}) or set(COLUMNS.names) <= set(found.names)


def _check_values(table: pa.Table, name: str, allowed: Sequence[str], where: str) -> None:
    if name in table.column_names:
        others = [value for value in table[name].unique().to_pylist() if value not in allowed]
        if others:
            found = ", ".join(map(repr, others))
            raise InputRejected(f"{where}: column {name} holds {found}", hint=f"one of: {', '.join(allowed)}")


def _sorted(table: pa.Table, where: str) -> pa.Table:
    names = table["file_name"].combine_chunks()
    if names.null_count:
        raise InputRejected(f"{where}: {names.null_count} rows have no file_name")
    if len(names) < 2 or pc.all(pc.less(names[:-1], names[1:])).as_py():
        return table
    table = table.take(pc.sort_indices(names))
    names = table["file_name"].combine_chunks()
    twice = names[1:].filter(pc.equal(names[:-1], names[1:])).unique().to_pylist()
    if twice:
        raise InputRejected(f"{where}: {len(twice)} images stand more than once", details=twice)
    return table


def _check_ids(table: pa.Table, where: str) -> None:
    try:
        keys = identity.keys_of(table["alcli_id"])
    except ValueError as error:
        raise InputRejected(f"{where}: column alcli_id: {error}") from error
    ordered = np.sort(keys)
    if not (ordered[1:] == ordered[:-1]).any():
        return
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    names = table["file_name" if "file_name" in table.column_names else "alcli_id"]
    pairs = [
        f"{names[int(one)]} and {names[int(other)]}"
        for one, other in zip(order[:-1][same], order[1:][same], strict=True)
    ]
    raise InputRejected(
        f"{where}: {len(pairs)} pairs of paths are equal once Unicode is normalised",
        hint="rename one of each pair: other systems cannot tell them apart",
        details=pairs,
    )
