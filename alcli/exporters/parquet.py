"""Apache Parquet, with the types of `alcli.rounds.COLUMNS`."""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq


def parquet(table: pa.Table, sink: BinaryIO) -> None:
    """Write a selection as Parquet; what is not known is null.

    Args:
        table: The selection.
        sink: An open binary file.
    """
    pq.write_table(table, sink, compression="zstd")
