"""A table of texts, whatever file it was read from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alcli.errors import InputRejected

# What other tools call these columns, the likeliest first.
IMAGE_COLUMNS = (
    *("file_name", "path", "filepath", "file_path", "image_path", "filename", "filenames", "file"),
    *("image", "uri", "url", "image_url"),
)
LABEL_COLUMNS = ("label", "labels", "class_name", "class", "target", "category", "ground_truth")
_EXACT_FLOAT = 2.0**53  # whole numbers below are exact in a float64


@dataclass(frozen=True)
class Table:
    """A table of r rows.

    Attributes:
        path: The file.
        columns: By name as found, r cells each; None where there is nothing.
        lines: (r,) where each row stands in the file, from 1.
        unit: What `lines` counts: `line`, or `row` in a Parquet file.
        nested: Columns that hold lists or objects, and the first line where one does; they cannot be used.
        kind: `csv`, `tsv`, `jsonl` or `parquet`.
    """

    path: Path
    columns: dict[str, list[str | None]]
    lines: Sequence[int]
    unit: str = "line"
    nested: dict[str, int] = field(default_factory=dict)
    kind: str = "csv"

    def __len__(self) -> int:
        return len(self.lines)

    def name(self, *aliases: str) -> str | None:
        """Return the name of the first column that is called one of `aliases`, an earlier alias first.

        Case, blanks, hyphens and underscores do not count.

        Raises:
            InputRejected: Two columns could be meant.
        """
        for alias in aliases:
            if alias in self.columns:
                return alias
            meant = [name for name in self.columns if _plain_name(name) == _plain_name(alias)]
            if len(meant) > 1:
                both = " and ".join(map(repr, meant))
                raise InputRejected(f"{self.path}: columns {both} both mean '{alias}'")
            if meant:
                return meant[0]
        return None

    def column(self, *aliases: str) -> list[str | None] | None:
        """Return the cells of the column that `name` finds; None if there is none.

        Raises:
            InputRejected: Two columns could be meant, or the column holds lists or objects, or what no text
                can hold; the message names the line.
        """
        name = self.name(*aliases)
        if name in self.nested:
            where = f"{self.path}, {self.unit} {self.nested[name]}"
            raise InputRejected(f"{where}: column '{name}' holds a list or an object, not a text")
        if name is None:
            return None
        self._check_texts(name)
        return self.columns[name]

    def _check_texts(self, name: str) -> None:
        """Refuse cells that could be written nowhere: JSON can spell them, and so can odd encodings."""
        cells = self.columns[name]
        if is_text("".join(filter(None, cells))):
            return
        at = next(at for at, cell in enumerate(cells) if cell and not is_text(cell))
        raise InputRejected(
            f"{self.path}, {self.unit} {self.lines[at]}: column '{name}' holds {cells[at]!a}, "
            "which is not text",
            hint="mend this row, or take it out",
        )


def is_text(text: str) -> bool:
    """Return whether a text file can hold `text`; half a surrogate pair or a NUL it cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def rendered(path: Path, columns: dict[str, list[Any]], lines: Sequence[int], unit: str) -> Table:
    """Return a table of texts of columns of anything."""
    nested = {}
    texts: dict[str, list[str | None]] = {}
    for name, values in columns.items():
        first = next((at for at, value in enumerate(values) if isinstance(value, list | dict | tuple)), None)
        if first is not None:
            nested[name] = lines[first]
        texts[name] = [None] * len(values) if name in nested else _texts(values)
    return Table(path, texts, lines, unit, nested)


def _texts(values: list[Any]) -> list[str | None]:
    """Return values as texts; floats that are all whole are what many tools make of integers with gaps."""
    floats = [value for value in values if isinstance(value, float) and value == value]  # noqa: PLR0124 (NaN)
    whole = all(value.is_integer() and abs(value) < _EXACT_FLOAT for value in floats)
    return [_text(value, whole=whole) for value in values]


def _text(value: Any, *, whole: bool) -> str | None:
    if isinstance(value, str):
        return value or None
    if value is None or value != value:  # noqa: PLR0124 (NaN is how pandas writes that there is nothing)
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and whole:
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _plain_name(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()
