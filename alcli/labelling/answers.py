"""What a labels file says, before anything is known of the pool."""

from __future__ import annotations

import datetime
import logging
import posixpath
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alcli import tables
from alcli.errors import InputRejected, UsageError
from alcli.tables import Table

logger = logging.getLogger("alcli")

ANNOTATORS = (
    "annotator",
    "annotator_id",
    "annotator_name",
    "labelled_by",
    "labeled_by",
    "completed_by",
    "worker_id",
)
TIMES = ("labelled_at", "labeled_at", "updated_at", "created_at")
# A person's refusal, by the column that says it. What is in none of these columns is never read as one.
_REFUSALS = frozenset(
    [
        "skip",
        "skipped",
        "decline",
        "declined",
        "reject",
        "rejected",
        "ignore",
        "ignored",
        "cancelled",
        "canceled",
    ]
)
_YES = _REFUSALS | {"true", "yes", "1", "1.0"}
_SKIPS = {
    "status": _REFUSALS,
    "answer": _REFUSALS,
    "skip": _YES,
    "skipped": _YES,
    "declined": _YES,
    "cancelled": _YES,
    "was_cancelled": _YES,
}

_EPOCH, _MICROSECOND = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC), datetime.timedelta(microseconds=1)
NAT = int(np.iinfo(np.int64).min)  # how numpy stores that there is no time

Cells = Sequence[str | None]


@dataclass(frozen=True)
class Answers:
    """The rows of a labels file, as columns of r entries.

    Attributes:
        kind: The format of the file: `csv`, `tsv`, `jsonl` or `parquet`.
        unit: What `lines` counts: `line`, or `row` in a Parquet file.
        lines: (r,) where each stands in the file, from 1.
        ids: Cells of `alcli_id`.
        images: Cells that name the image: a path or a URL.
        sha256: Cells of `sha256`.
        labels: (r,) codes into `label_names`; -1 for a row that is not answered.
        label_names: What is in the file, in Unicode's NFC form and without blanks around.
        annotators: (r,) codes into `annotator_names`; -1 where none is named.
        annotator_names: Who answered.
        times: (r,) when, in UTC; NaT where unknown.
        skipped: (r,) whether a person declined to answer.
    """

    kind: str
    unit: str
    lines: NDArray[np.int64]
    ids: Cells
    images: Cells
    sha256: Cells
    labels: NDArray[np.int32]
    label_names: list[str]
    annotators: NDArray[np.int32]
    annotator_names: list[str]
    times: NDArray[np.datetime64]
    skipped: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.lines)

    def below(self, prefix: str) -> Answers:
        """Return the answers with relative paths taken from the folder `prefix`; "" leaves them as they are."""
        if not prefix:
            return self
        images = [cell and posixpath.normpath(posixpath.join(prefix, cell)) for cell in self.images]
        return replace(self, images=images)

    def signed(self, annotator: str | None) -> Answers:
        """Return the answers with a name put to those that have none.

        Raises:
            UsageError: The name is not text.
        """
        name = normalised(annotator or "")
        if not name:
            return self
        if not tables.is_text(name):
            raise UsageError(f"--annotator {name!a} is not text", hint="--annotator NAME, in UTF-8")
        names = list(dict.fromkeys([*self.annotator_names, name]))
        code = np.int32(names.index(name))
        who = np.where(self.annotators < 0, code, self.annotators)
        return replace(self, annotators=who, annotator_names=names)

    def name(self, position: int) -> str:
        """Return what the file calls the image of one row."""
        cells = (self.images, self.ids, self.sha256)
        return next((str(column[position]) for column in cells if column[position]), "")


def read(path: Path, *, kind: str | None = None, encoding: str | None = None) -> Answers:
    """Read a labels file.

    Args:
        path: CSV, TSV, JSONL or Parquet.
        kind: `csv`, `tsv`, `jsonl` or `parquet`; None goes by the content and the extension.
        encoding: Of text files; None is UTF-8.

    Raises:
        UsageError: There is no such file, or no such encoding.
        InputRejected: The file is not of its kind, or lacks a column that names images or labels.
    """
    return of(tables.read_table(path, kind=kind, encoding=encoding))


def of(table: Table) -> Answers:
    """Return what a table says, as a labels file.

    Raises:
        InputRejected: It lacks a column that names images or labels.
    """
    empty: Cells = [None] * len(table)
    naming = [table.column("alcli_id"), table.column(*tables.IMAGE_COLUMNS), table.column("sha256")]
    labels = table.column(*tables.LABEL_COLUMNS)
    if not any(naming):
        raise _lacks(table, "names the image", ("alcli_id", *tables.IMAGE_COLUMNS))
    if labels is None:
        raise _lacks(table, "holds the label", tables.LABEL_COLUMNS)
    ids, images, sha256 = (column or empty for column in naming)
    label_codes, label_names = _categories(labels)
    annotator_codes, annotator_names = _categories(table.column(*ANNOTATORS) or empty)
    return Answers(
        kind=table.kind,
        unit=table.unit,
        lines=np.asarray(table.lines, np.int64),
        ids=ids,
        images=images,
        sha256=sha256,
        labels=label_codes,
        label_names=label_names,
        annotators=annotator_codes,
        annotator_names=annotator_names,
        times=_times(table.column(*TIMES) or empty),
        skipped=_skipped(table),
    )


def normalised(name: str) -> str:
    """Return a class name as it is compared: in Unicode's NFC form, without blanks around."""
    return unicodedata.normalize("NFC", name).strip()


def _lacks(table: Table, what: str, names: Sequence[str]) -> InputRejected:
    return InputRejected(
        f"{table.path} has no column that {what}; it has {', '.join(table.columns) or 'none'}",
        hint=f"call the column one of: {', '.join(names)}",
    )


def _categories(cells: Cells) -> tuple[NDArray[np.int32], list[str]]:
    """Return each cell's code, -1 if it is empty, and the texts that codes stand for."""
    seen: dict[str | None, int] = {}
    raw = np.fromiter((seen.setdefault(cell, len(seen)) for cell in cells), np.int32, len(cells))
    names: dict[str, int] = {}
    codes = [names.setdefault(name, len(names)) if (name := normalised(cell or "")) else -1 for cell in seen]
    return np.array(codes or [-1], np.int32)[raw], list(names)


def _times(cells: Cells) -> NDArray[np.datetime64]:
    """Return ISO 8601 times in UTC; a time without a zone counts as UTC, what cannot be read as unknown."""
    unread: list[str] = []
    times = np.fromiter(
        (_microseconds(cell, unread) if cell else NAT for cell in cells), np.int64, len(cells)
    )
    if unread:
        logger.warning(
            "%d times are not ISO 8601, such as '%s', and count as unknown", len(unread), unread[0]
        )
    return times.view("datetime64[us]")


def _microseconds(cell: str, unread: list[str]) -> int:
    """Return the time since 1970; what cannot be read joins `unread`."""
    try:
        time = datetime.datetime.fromisoformat(cell.strip())
    except ValueError:
        unread += [cell] if cell.strip() else []
        return NAT
    return ((time if time.tzinfo else time.replace(tzinfo=datetime.UTC)) - _EPOCH) // _MICROSECOND


def _skipped(table: Table) -> NDArray[np.bool_]:
    skipped = np.zeros(len(table), np.bool_)
    for name, meant in _SKIPS.items():
        cells = table.column(name)
        if cells is not None:
            said = ((cell or "").strip().lower() in meant for cell in cells)
            skipped |= np.fromiter(said, np.bool_, len(cells))
    return skipped
