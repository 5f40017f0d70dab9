"""The table of a simulation: a row for each method, seed and round, in one Parquet file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from alcli import files
from alcli.errors import InputRejected, UsageError

COLUMNS = pa.schema(
    [
        ("method", pa.string()),
        ("seed", pa.int64()),
        ("round", pa.int64()),
        ("labels", pa.int64()),  # bought of people, the first ones included
        ("withheld", pa.int64()),  # of these left out by a check: not learned from as people gave them
        ("label_noise", pa.float64()),  # share of the others that is wrong
        ("pseudo_labels", pa.int64()),
        ("pseudo_precision", pa.float64()),
        ("accuracy", pa.float64()),
        ("macro_f1", pa.float64()),
        ("train_seconds", pa.float64()),
        ("score_seconds", pa.float64()),
        ("select_seconds", pa.float64()),
        ("batch", pa.string()),  # digest of the ids that this round added
        ("error", pa.string()),
    ]
)
_EXPERIMENT = b"alcli.experiment"

Line = dict[str, Any]


def table(lines: Sequence[Line]) -> pa.Table:
    """Return lines as a table with the columns of `COLUMNS`; what a line lacks is null."""
    return pa.table(
        [pa.array([line.get(field.name) for line in lines], field.type) for field in COLUMNS], schema=COLUMNS
    )


def write(path: Path, lines: Sequence[Line], experiment: dict[str, Any]) -> None:
    """Write the table, whole or not at all.

    Args:
        path: Where.
        lines: In the order of the table.
        experiment: What identifies the experiment, kept in the file.
    """
    told = table(lines).replace_schema_metadata(
        {_EXPERIMENT: json.dumps(experiment, sort_keys=True).encode()}
    )
    with files.opened(path, flush=False) as sink:
        pq.write_table(told, sink, compression="zstd")


def read(path: Path) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Return the columns of a table, and its experiment.

    Raises:
        InputRejected: It is not the result of a simulation.
    """
    try:
        found = pq.read_table(path)
        experiment = json.loads((found.schema.metadata or {})[_EXPERIMENT])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise InputRejected(f"{path} is not the result of `alcli simulate`") from error
    return found.to_pydict(), experiment


def distinct(path: Path, column: str) -> list[Any]:
    """Return the methods or seeds that a table has, in its order; none where it is not there yet."""
    if not path.exists():
        return []
    columns, _ = read(path)
    return list(dict.fromkeys(columns[column]))


def require_same(path: Path, experiment: dict[str, Any]) -> None:
    """Check that a file which is there already belongs to this experiment.

    Raises:
        UsageError: It does not; nothing is overwritten.
    """
    if not path.exists():
        return
    if path.is_dir():
        raise UsageError(f"--output {path} is a folder", hint=f"--output {path / 'simulation.parquet'}")
    try:
        _, there = read(path)
    except InputRejected as error:
        raise UsageError(
            f"{error.message}; it is not overwritten", hint="--output ANOTHER.parquet"
        ) from error
    differing = sorted(name for name in {*there, *experiment} if there.get(name) != experiment.get(name))
    if differing:
        raise UsageError(
            f"{path} holds another experiment: {', '.join(differing)} "
            f"{'differs' if len(differing) == 1 else 'differ'}; it is not overwritten",
            hint="--output ANOTHER.parquet; only methods, seeds and references may be added to a table",
        )
