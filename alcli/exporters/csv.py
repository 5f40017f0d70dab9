"""Comma-separated values as in RFC 4180: UTF-8, a header, a line feed at the end of each line."""

from __future__ import annotations

import csv as csv_module
from typing import BinaryIO

import pyarrow as pa

from alcli.tables import spreadsheet_safe

_ROWS_PER_WRITE = 16_384


def csv(table: pa.Table, sink: BinaryIO, *, csv_safe: bool = True) -> None:
    """Write a selection as CSV.

    Numbers have seven significant digits; empty cells stand for what is not known.

    Args:
        table: The selection.
        sink: An open binary file.
        csv_safe: Quote the text cells that a spreadsheet would run; `import-labels` takes the quote off.
    """
    lines = _Lines()
    writer = csv_module.writer(lines, lineterminator="\r\n")  # so that it quotes a carriage return too
    writer.writerow(table.column_names)
    for batch in table.to_batches(max_chunksize=_ROWS_PER_WRITE):
        writer.writerows(zip(*[_cells(column, safe=csv_safe) for column in batch.columns], strict=True))
        lines.pour(sink)
    lines.pour(sink)


class _Lines(list[str]):
    """Lines as `csv` writes them; poured out, they end in a line feed alone."""

    write = list.append

    def pour(self, sink: BinaryIO) -> None:
        sink.write("".join(f"{line[:-2]}\n" for line in self).encode())
        self.clear()


def _cells(column: pa.Array, *, safe: bool) -> list[str]:
    values = column.to_pylist()
    if pa.types.is_floating(column.type):
        return ["" if value is None else f"{value:.7g}" for value in values]
    cells = ["" if value is None else str(value) for value in values]
    return [spreadsheet_safe(cell) for cell in cells] if safe and pa.types.is_string(column.type) else cells
