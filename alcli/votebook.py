"""Every answer that a named annotator gave, in side files of the rounds; the manifest keeps what they came to.

Answers of a round lie in `rounds/<number>/votes.parquet`, those about images of no round in `votes/votes.parquet`.
Beside them, in `withheld.parquet`, is what images of the round came back with, by whomever, where a check did not
take it as a label; and in `gold_answers.parquet` what gold rows were answered with, see `alcli.gold`.
Files only grow: each row carries the number of the delivery that brought it, and the manifest's metadata say
how many deliveries it has seen. So the commit of the manifest is what makes an answer count. Answers of a
delivery that was killed before its commit, or undone after it, have a higher number: they count for nothing,
and the next delivery removes them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from alcli import files, identity
from alcli.errors import InputRejected
from alcli.manifest import Manifest
from alcli.project import Project

VOTES = "votes.parquet"
WITHHELD = "withheld.parquet"
GOLD_ANSWERS = "gold_answers.parquet"
NAMES = (VOTES, WITHHELD, GOLD_ANSWERS)
COLUMNS = pa.schema(
    [
        ("alcli_id", pa.string()),
        ("annotator", pa.string()),
        ("label", pa.string()),
        ("labelled_at", pa.timestamp("us", tz="UTC")),
        ("delivery", pa.int32()),
    ]
)
_KEY = b"alcli.deliveries"
_OURS = b"alcli.schema"


def deliveries(manifest: Manifest) -> int | None:
    """Return how many deliveries the manifest has seen; None where another tool dropped the number."""
    metadata = manifest.table.schema.metadata or {}
    if _KEY in metadata:
        return int(metadata[_KEY])
    return 0 if _OURS in metadata else None


def delivered(manifest: Manifest, number: int) -> Manifest:
    """Return the manifest as one that has seen delivery `number`."""
    metadata = {**(manifest.table.schema.metadata or {}), _KEY: str(number).encode()}
    changed = dataclasses.replace(manifest, table=manifest.table.replace_schema_metadata(metadata))
    changed.__dict__["keys"] = manifest.keys  # the images are the same
    return changed


def read(project: Project, manifest: Manifest, name: str = VOTES, *, of: int | None = None) -> pa.Table:
    """Return the answers that count, oldest delivery first, with the columns of `COLUMNS`.

    Args:
        project: The pool.
        manifest: Its manifest.
        name: Of the side files, one of `NAMES`.
        of: Only answers about images of this round; 0 for those of none.

    Raises:
        InputRejected: A side file is damaged.
    """
    seen = deliveries(manifest)
    numbers = range(manifest.round + 1) if of is None else [of]
    tables = [_counting(_load(path), seen) for path in _places(project, name, numbers)]
    together = pa.concat_tables([COLUMNS.empty_table(), *tables])
    return together.take(pa.array(np.argsort(together["delivery"].to_numpy(), kind="stable")))


def last_words(votes: pa.Table) -> pa.Table:
    """Return the newest answer of each annotator about each image; `votes` are in order of deliveries."""
    pairs = zip(votes["alcli_id"].to_pylist(), votes["annotator"].to_pylist(), strict=True)
    last = {pair: at for at, pair in enumerate(pairs)}
    return votes.take(pa.array(sorted(last.values()), pa.int64()))


def givers(manifest: Manifest, rows: NDArray[np.int64], votes: pa.Table) -> list[set[str]]:
    """Return who gave the label of each image: everybody whose last word it is, and whom the manifest names.

    Of several whom the manifest names only those on record count, if there are any: its names cannot always be told
    apart.

    Args:
        manifest: The pool's manifest.
        rows: (r,) rows of it.
        votes: Answers that count, in order of deliveries; the last column of `COLUMNS` may lack.
    """
    last = last_words(votes)
    place = {key: at for at, key in enumerate(manifest.keys[rows].tolist())}
    labels = manifest.strings("label", rows)
    found: list[set[str]] = [set() for _ in labels]
    keys = identity.keys_of(last["alcli_id"]).tolist()
    for key, name, label in zip(keys, last["annotator"].to_pylist(), last["label"].to_pylist(), strict=True):
        at = place.get(key, -1)
        if at >= 0 and labels[at] == label:
            found[at].add(name)
    for voters, names in zip(found, named(manifest, rows), strict=True):
        if len(names) == 1 or not voters:
            voters.update(names)
    return found


def named(manifest: Manifest, rows: NDArray[np.int64]) -> list[list[str]]:
    """Return whom the manifest names for the label of each image.

    Names of several are joined by commas there, for people to read; a label that only one person gave has no
    agreement, and then a comma is part of the name.
    """
    several = manifest.table["agreement"].is_valid().to_numpy()[rows].tolist()
    return [
        [] if not text else text.split(", ") if shared else [text]
        for text, shared in zip(manifest.strings("annotator", rows), several, strict=True)
    ]


def write(
    project: Project, manifest: Manifest, added: dict[str, tuple[pa.Table, NDArray[np.int64]]]
) -> Manifest:
    """Write answers down, and return the manifest that makes them count once it is committed.

    Args:
        project: The pool; the caller holds its lock.
        manifest: What is to be committed.
        added: By the name of the side files, of `NAMES`, the columns of `COLUMNS` but `delivery`, and (r,) the round of
            each row, 0 for none.

    Raises:
        InputRejected: A side file is damaged.
        CannotWrite: The disk is full or read-only.
    """
    seen = deliveries(manifest)
    old = {path: _load(path) for name in NAMES for path in _places(project, name, range(manifest.round + 1))}
    if seen is None:
        seen = max((int(pc.max(table["delivery"]).as_py() or 0) for table in old.values()), default=0)
    content = {path: _counting(table, seen) for path, table in old.items()}
    for name, (rows, rounds) in added.items():
        numbered = rows.append_column("delivery", pa.array(np.full(len(rows), seen + 1, np.int32)))
        for number in np.unique(rounds).tolist():
            path = _place(project, name, number)
            mine = numbered.select(COLUMNS.names).filter(pa.array(rounds == number)).cast(COLUMNS)
            content[path] = pa.concat_tables([content.get(path, COLUMNS.empty_table()), mine])
    for path, table in content.items():
        if (
            path not in old
            or len(table) != len(old[path])
            or int(table["delivery"].to_numpy().max(initial=0)) > seen
        ):
            with files.atomic_path(path) as temporary:
                pq.write_table(table, temporary, compression="zstd")
    return delivered(manifest, seen + 1)


def _place(project: Project, name: str, number: int) -> Path:
    return (project.round_folder(number) if number else project.home / "votes") / name


def _places(project: Project, name: str, numbers: Iterable[int]) -> Iterator[Path]:
    """Yield the side files that there are of rounds; those of a round that was undone count for nothing."""
    for number in numbers:
        if (path := _place(project, name, number)).exists():
            yield path


def _load(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, schema=COLUMNS)
    except (pa.ArrowException, OSError) as error:
        raise InputRejected(
            f"{path} cannot be read: {error}", hint="move it away: the labels are in the manifest"
        ) from error


def _counting(table: pa.Table, seen: int | None) -> pa.Table:
    return table if seen is None else table.filter(pc.less_equal(table["delivery"], seen))
