"""One JSON object a line, UTF-8."""

from __future__ import annotations

import json
from typing import BinaryIO

import pyarrow as pa


def jsonl(table: pa.Table, sink: BinaryIO) -> None:
    """Write a selection as JSON lines; what is not known is null.

    Args:
        table: The selection.
        sink: An open binary file.
    """
    floats = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    for batch in table.to_batches():
        for row in batch.to_pylist():
            shown = {name: None if row[name] is None else float(f"{row[name]:.7g}") for name in floats}
            sink.write((json.dumps({**row, **shown}, ensure_ascii=False) + "\n").encode())
