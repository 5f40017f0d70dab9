"""Parquet, and the class names that Hugging Face's `datasets` keeps in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from alcli.errors import InputRejected
from alcli.tables.table import Table, rendered


def read(path: Path, data: bytes) -> Table:
    """Read a Parquet file; see `alcli.tables.read_table`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read()
        if len(set(table.column_names)) < table.num_columns:
            raise InputRejected(f"{path}: a column name stands more than once")
        columns = {name: table[name].to_pylist() for name in table.column_names}
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise InputRejected(f"{path} is not a Parquet file that can be read: {error}") from error
    for name, classes in _hugging_face_classes(table.schema.metadata or {}).items():
        if name in columns:
            columns[name] = _class_names(path, name, columns[name], classes)
    return rendered(path, columns, range(1, len(table) + 1), "row")


def _hugging_face_classes(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Return the class names of the `ClassLabel` columns that `datasets` writes as integers."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        return {name: list(kind["names"]) for name, kind in features.items() if kind["_type"] == "ClassLabel"}
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return {}  # not as `datasets` writes it: the integers stand


def _class_names(path: Path, name: str, codes: list[Any], classes: list[str]) -> list[Any]:
    """Return the classes of codes; -1 is how `datasets` writes that there is none."""
    try:
        return [None if code is None or code == -1 else classes[range(len(classes))[code]] for code in codes]
    except (IndexError, TypeError) as error:
        raise InputRejected(f"{path}: column '{name}' holds a code that is none of its classes") from error
