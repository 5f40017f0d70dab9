"""Labels that came with the images: a file given with `--labels`, or Hugging Face metadata in the pool."""

from __future__ import annotations

import datetime
import logging
import posixpath
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from alcli import manifest as manifests
from alcli import tables
from alcli.errors import InputRejected
from alcli.images import metadata
from alcli.images.folders import SPLIT_NAMES
from alcli.tables import Table

logger = logging.getLogger("alcli")

_MEND = "mend these rows, or take them out"
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class Source:
    """A file with labels.

    Attributes:
        path: The file.
        prefix: What its paths are relative to: "" for the pool, or a folder in it with `/` at the end.
        asked: Whether the user named it; else it was found in the pool.
    """

    path: Path
    prefix: str = ""
    asked: bool = True


@dataclass
class FileLabels:
    """What labels files say about n images, in their order.

    Attributes:
        labels: Class names; None where there is none.
        splits: `train`, `val` or `test`; None where the files do not say.
        annotators: Who labelled.
        times: When, in UTC.
        rows: By file, for each image the number of the row about it; -1 where none is.
        sources: The files that have labels.
    """

    labels: list[str | None]
    splits: list[str | None]
    annotators: list[str | None]
    times: list[datetime.datetime | None]
    rows: dict[Path, list[int]] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)

    @classmethod
    def blank(cls, count: int) -> Self:
        """Return what no file at all says about `count` images."""
        return cls([None] * count, [None] * count, [None] * count, [None] * count)


def find_metadata(pool: Path) -> list[Source]:
    """Return the Hugging Face metadata files in the pool and its splits; a manifest of ours is none.

    Raises:
        InputRejected: A folder has two of them.
    """
    sources = []
    for prefix in ("", *(f"{name}/" for name in SPLIT_NAMES)):
        paths = [pool / prefix / name for name in metadata.NAMES if (pool / prefix / name).is_file()]
        paths = [path for path in paths if path.suffix != ".parquet" or not manifests.is_manifest(path)]
        if len(paths) > 1:
            both = " and ".join(map(str, paths))
            raise InputRejected(f"{both}: which one holds the labels?", hint="say it with --labels FILE")
        sources += [Source(path, prefix, asked=False) for path in paths]
    return sources


def read_labels(
    sources: Sequence[Source],
    file_names: Sequence[str],
    *,
    encoding: str | None = None,
    gone: Collection[str] = (),
    replaced: Path | None = None,
) -> FileLabels:
    """Read what `sources` say about the images `file_names`.

    A file without labels that was found in the pool says nothing, whatever else is in it.

    Args:
        sources: The files.
        file_names: n paths relative to the pool.
        encoding: Of text files; None is UTF-8.
        gone: Further paths that may be named, of images that are no longer there.
        replaced: The file whose place the manifest takes: its rows are found even if it has no labels.

    Raises:
        InputRejected: Rows name unknown images or paths outside the pool, name an image twice or cannot be
            understood; the message lists them all.
    """
    said = FileLabels.blank(len(file_names))
    if not sources:
        return said
    reader = _Reader(said, file_names, gone)
    for source in sources:
        table = tables.read_table(source.path, encoding=encoding)
        columns = _columns(source, table)
        if columns is None:
            continue
        if columns.labels is not None:
            reader.take(source, table, columns)
            said.sources.append(source)
        elif replaced and source.path.samefile(replaced):
            # These images may have their labels from another file, so the rows are looked at by themselves.
            aside = _Reader(FileLabels.blank(len(file_names)), file_names, gone)
            aside.take(
                source, table, columns, hint=f"{_MEND}; or keep alcli's files elsewhere with --state DIR"
            )
            said.rows |= aside.said.rows
    return said


class _Reader:
    """Enters the rows of labels files into `said`, and collects what is wrong with them."""

    def __init__(self, said: FileLabels, file_names: Sequence[str], gone: Collection[str]) -> None:
        self.said = said
        self.at = {name: position for position, name in enumerate(file_names)}
        self.normal = {unicodedata.normalize("NFC", n): at for n, at in self.at.items() if not n.isascii()}
        self.gone = gone
        self.first: dict[int, str] = {}

    def take(self, source: Source, table: Table, columns: _Columns, *, hint: str = _MEND) -> None:
        rows = self.said.rows.setdefault(source.path, [-1] * len(self.said.labels))
        problems = []
        for row, image in enumerate(columns.images):
            try:
                position = self._find(image, source.prefix)
                if position is not None:
                    rows[position] = row
                    self._enter(
                        columns, row, position, f"{table.unit} {table.lines[row]} of {table.path.name}"
                    )
            except ValueError as problem:
                problems.append(f"{table.unit} {table.lines[row]}: {problem}")
        if problems:
            raise InputRejected(
                f"{source.path}: {len(problems)} of {len(table)} rows cannot be taken, so none was",
                hint=hint,
                details=problems,
            )

    def _find(self, image: str | None, prefix: str) -> int | None:
        """Return the position of an image; None if it is no longer there.

        Raises:
            ValueError: No such image, or a path that may lead out of the pool.
        """
        if image is None:
            raise ValueError("no image is named")
        if _ABSOLUTE.match(image):
            raise ValueError(f"{image} is not a path relative to the pool")
        if ".." in re.split(r"[/\\]", image):
            raise ValueError(f"{image} leads out of the pool")
        path = prefix + posixpath.normpath(image)
        for name in (path, path.replace("\\", "/")):
            position = self.at.get(name, self.normal.get(unicodedata.normalize("NFC", name)))
            if position is not None:
                return position
            if name in self.gone:
                return None
        raise ValueError(f"no image {path} in the pool")

    def _enter(self, columns: _Columns, row: int, position: int, where: str) -> None:
        """Enter one row.

        Raises:
            ValueError: The image stood in an earlier row, or a cell cannot be understood.
        """
        label = _label(columns.labels, row)
        before = self.first.setdefault(position, where)
        if before != where:
            other = self.said.labels[position]
            differs = "" if other == label else f", where its label is {other!r} and not {label!r}"
            raise ValueError(f"the image stands in {before} too{differs}")
        self.said.labels[position] = label
        self.said.splits[position] = _split(_cell(columns.splits, row))
        if label is not None:
            self.said.annotators[position] = _cell(columns.annotators, row)
            self.said.times[position] = _time(_cell(columns.times, row))


class _Columns(NamedTuple):
    images: list[str | None]
    labels: list[str | None] | None = None
    splits: list[str | None] | None = None
    annotators: list[str | None] | None = None
    times: list[str | None] | None = None


def _columns(source: Source, table: Table) -> _Columns | None:
    """Find the columns that are read; None for a file that names no images and that the user did not name.

    Raises:
        InputRejected: A file that the user named has no column of images or of labels.
    """
    images, labels = table.column(*tables.IMAGE_COLUMNS), table.column(*tables.LABEL_COLUMNS)
    for column, what, aliases in (
        (images, "images", tables.IMAGE_COLUMNS),
        (labels, "labels", tables.LABEL_COLUMNS),
    ):
        if column is None:
            message = f"{source.path} has no column of {what}; it has {', '.join(table.columns)}"
            if source.asked:
                raise InputRejected(message, hint=f"call the column one of: {', '.join(aliases)}")
            logger.warning("%s; labels are taken from folders", message)
            break
    if images is None:
        return None
    if labels is None:
        return _Columns(images)
    times = table.column("labelled_at", "labeled_at")
    return _Columns(images, labels, table.column("split"), table.column("annotator"), times)


def _cell(column: list[str | None] | None, row: int) -> str | None:
    return None if column is None else column[row]


def _label(labels: list[str | None] | None, row: int) -> str | None:
    """Return a class name in Unicode's NFC form and without blanks around; None if nothing is left."""
    text = _cell(labels, row)
    return (unicodedata.normalize("NFC", text.strip()) or None) if text else None


def _split(text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    try:
        return SPLIT_NAMES[text.strip().casefold()]
    except KeyError:
        raise ValueError(f"the split is '{text}'; train, val or test is expected") from None


def _time(text: str | None) -> datetime.datetime | None:
    if text is None:
        return None
    try:
        time = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"the time '{text}' is not ISO 8601, such as 2026-11-21T09:30:00Z") from None
    return time.replace(tzinfo=datetime.UTC) if time.tzinfo is None else time.astimezone(datetime.UTC)
