"""A `metadata.parquet` that the user brought: the manifest takes its place, and keeps all that it says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alcli import manifest as manifests
from alcli.errors import InputRejected
from alcli.intake.labels import FileLabels
from alcli.project import Project

logger = logging.getLogger("alcli")


def replaced(project: Project) -> Path | None:
    """Return the file that stands where the manifest is to be and is none; None where there is nothing."""
    path = project.manifest
    return path if path.exists() and not manifests.is_manifest(path) else None


def own_columns(project: Project, said: FileLabels) -> dict[str, Any]:
    """Return what the file that is replaced says beyond labels and the like, as columns of the manifest.

    A column that is called like one of the manifest's, and means something else there, gets another name.

    Args:
        project: The pool.
        said: What was read of the files with labels, this one among them.

    Raises:
        InputRejected: The file was not read, so that writing over it would destroy something.
    """
    path = replaced(project)
    if path is None:
        return {}
    rows = next((rows for read, rows in said.rows.items() if read.samefile(path)), None)
    if rows is None:
        raise InputRejected(
            f"{path} is not a label manifest, and alcli would write over it",
            hint="move it away, or keep alcli's files elsewhere with --state DIR",
        )
    logger.info("%s becomes the label manifest; `%s` brings it back as it is", path, project.command("undo"))
    columns = _in_order(path, rows)
    for name in _taken_over(path, said, columns):
        columns.pop(name, None)
    return _renamed(path, columns)


def _in_order(path: Path, rows: list[int]) -> dict[str, pa.ChunkedArray]:
    """Return the file's columns with a cell for each image, empty where `rows` is -1."""
    table = pq.read_table(path)
    at = pa.array(rows, pa.int64())
    at = pc.if_else(pc.less(at, 0), None, at)
    return {name: table[name].take(at) for name in table.column_names}


def _taken_over(path: Path, said: FileLabels, columns: dict[str, pa.ChunkedArray]) -> set[str]:
    """Return the columns that the manifest has under the same name, with all that is in them.

    Of annotators and times only those beside a label were read.
    """
    if not any(source.path.samefile(path) for source in said.sources):
        return {"file_name"}
    read: dict[str, Sequence[object]] = {"annotator": said.annotators, "labelled_at": said.times}
    partly = {name for name, cells in read.items() if name in columns and not _all_in(columns[name], cells)}
    return {"file_name", "label", "split", *read} - partly


def _all_in(theirs: pa.ChunkedArray, cells: Sequence[object]) -> bool:
    """Return whether there is a cell wherever they wrote something."""
    pairs = zip(theirs.to_pylist(), cells, strict=True)
    return all(their in (None, "") or cell is not None for their, cell in pairs)


def _renamed(path: Path, columns: dict[str, pa.ChunkedArray]) -> dict[str, pa.ChunkedArray]:
    """Return the columns under names that the manifest does not use itself."""
    names = {}
    for name in columns:
        free = name
        while free in manifests.COLUMNS.names or (free != name and free in columns):
            free += "_original"
        names[name] = free
    if moved := [f"{name} as {free}" for name, free in names.items() if name != free]:
        logger.warning(
            "%s has columns named like the manifest's own; they are kept under other names: %s",
            path,
            ", ".join(moved),
        )
    return {names[name]: cells for name, cells in columns.items()}
