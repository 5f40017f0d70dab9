"""The rounds on disk: what was sent out for labelling, and how it was chosen.

A round's folder never changes once the manifest's round number has reached it, but for the answers that come
back (see `alcli.votebook`); the commit of the manifest is what makes a round. A folder with a higher number was
left by a killed `select`, or by `undo`: it counts for nothing and the next `select` writes over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from alcli import files, identity
from alcli.errors import StepMissing
from alcli.manifest import Manifest
from alcli.project import ROUND_RECORD, Project

RECORD = ROUND_RECORD
_NEEDED = ("round", "strategy", "request", "model", "counts", "audit")
LISTING = "selection.csv"
TABLE = "selection.parquet"
STOP_SET = "stop_set.parquet"
COLUMNS = pa.schema(
    [
        ("rank", pa.int64()),
        ("alcli_id", pa.string()),
        ("file_name", pa.string()),
        ("score", pa.float64()),
        ("strategy", pa.string()),
        ("round", pa.int32()),
        ("predicted_label", pa.string()),
        ("confidence", pa.float32()),
        ("label", pa.string()),
        ("reason", pa.string()),
        ("cluster", pa.int32()),
        ("nearest_labelled", pa.string()),
        ("duplicates", pa.string()),
    ]
)
STOP_SET_COLUMNS = pa.schema([("alcli_id", pa.string()), ("predicted_label", pa.string())])
GOLD = "gold.parquet"
GOLD_COLUMNS = pa.schema([("alcli_id", pa.string()), ("label", pa.string())])
AGAIN = "label again"  # the reason of an image that has a label and is sent out for another
PLANTED = "gold"  # that of an image whose label is known and measures the annotators
# What a vendor's file says where gold rows must not be told from the others.
_TOLD = {"rank", "alcli_id", "file_name", "round"}
_LEVEL = 0.95  # of the interval around an audit's accuracy


@dataclass(frozen=True)
class Round:
    """The record of one round.

    Attributes:
        folder: `rounds/<number>`.
        about: The content of `selection.json`.
        table: The selection, with the columns of `COLUMNS`.
    """

    folder: Path
    about: dict[str, Any]
    table: pa.Table

    @property
    def number(self) -> int:
        """The round's number, from 1."""
        return int(self.about["round"])

    @property
    def listing(self) -> Path:
        """The selection for people, a CSV file."""
        return self.folder / LISTING

    @property
    def request(self) -> dict[str, Any]:
        """What was asked for."""
        return dict(self.about["request"])

    @property
    def sent(self) -> pa.Table:
        """The selection as whoever labels sees it: without what would give gold rows away, if there are any."""
        return concealed(self.table) if has_gold(self.about) else self.table


def tabulated(*, strategy: str, number: int, **columns: Any) -> pa.Table:
    """Return a selection's table with the columns of `COLUMNS`.

    Args:
        strategy: The strategy's name, the same in every row.
        number: The round's number, the same in every row.
        **columns: `alcli_id`, `file_name`, `score`, `predicted_label`, `confidence`, `reason`, `cluster`,
            `nearest_labelled` and `duplicates`, in rank order; those left out are empty.
    """
    count = len(columns["alcli_id"])
    whole = {
        **columns,
        "rank": np.arange(1, count + 1),
        "strategy": [strategy] * count,
        "round": np.full(count, number, np.int32),
    }
    empty = [None] * count  # `label` above all: the vendor fills it in
    return pa.table([pa.array(whole.get(f.name, empty), f.type) for f in COLUMNS], schema=COLUMNS)


def concealed(table: pa.Table) -> pa.Table:
    """Return a selection that names its images and says nothing else of them."""
    count = len(table)
    columns = [table[f.name] if f.name in _TOLD else pa.nulls(count, f.type) for f in COLUMNS]
    return pa.table(columns, schema=COLUMNS)


def write(
    project: Project,
    number: int,
    about: dict[str, Any],
    table: pa.Table,
    stop_set: pa.Table | None = None,
    gold: pa.Table | None = None,
) -> None:
    """Write the record of a round that is not committed yet, over what a killed run may have left there.

    Args:
        project: The pool; the caller holds its lock.
        number: The round's number.
        about: The content of `selection.json`.
        table: The selection, with the columns of `COLUMNS`.
        stop_set: What the model takes the images of the stop set for, with the columns of `STOP_SET_COLUMNS`.
        gold: The gold rows and their labels, with the columns of `GOLD_COLUMNS`.
    """
    folder = project.round_folder(number)
    files.remove_leftovers(folder)
    for other in folder.glob("*.parquet"):  # the answers to a round that was undone, too
        other.unlink()
    for name, content in ((TABLE, table), (STOP_SET, stop_set), (GOLD, gold)):
        if content is not None:
            with files.atomic_path(folder / name) as temporary:
                pq.write_table(content, temporary, compression="zstd")
    files.write_json(folder / RECORD, about)


def read(project: Project, number: int) -> Round:
    """Read the record of one round.

    Raises:
        StepMissing: It was deleted or damaged.
    """
    folder = project.round_folder(number)
    try:
        (folder / LISTING).stat()
        about = files.read_record(folder / RECORD, _NEEDED)
        return Round(folder, about, pq.read_table(folder / TABLE))
    except (OSError, ValueError, TypeError) as error:
        raise StepMissing(
            f"the record of round {number} in {folder} cannot be read: {error}",
            hint=f"{project.command('select', '--replace')} withdraws the open rounds and selects anew",
        ) from error


def stop_set(project: Project, number: int) -> pa.Table | None:
    """Return a round's stop set; None where it has none, or it was deleted or damaged."""
    try:
        return pq.read_table(project.round_folder(number) / STOP_SET, schema=STOP_SET_COLUMNS)
    except (OSError, pa.ArrowException):
        return None


def about(project: Project, number: int) -> dict[str, Any]:
    """Return the content of a round's `selection.json`; nothing where it was deleted or damaged.

    What only looks back, such as an old estimate, must not stop for it.
    """
    try:
        return files.read_record(project.round_folder(number) / RECORD)
    except (OSError, ValueError, TypeError):
        return {}


def sent(project: Project, number: int) -> list[str]:
    """Return the ids of the images of a round; nothing where the list was deleted or damaged."""
    return [name for name, _ in _reasons(project, number)]


def undisclosed(project: Project, manifest: Manifest) -> NDArray[np.bool_]:
    """Return (n,) whose labels whoever labels must not learn: images that are out, and all of an open round with gold.

    Of these those that are back, too: a gold row keeps the label that was known, whatever was answered, and also if it
    was declined.
    """
    found = manifest.out.copy()
    for number in manifest.open_rounds:
        if has_gold(about(project, number)):
            rows = rows_of(manifest, sent(project, number))
            found[rows[rows >= 0]] = True
    return found


def has_gold(about: dict[str, Any]) -> bool:
    """Return whether gold rows are among the images of a round with this record."""
    return bool(about.get("counts", {}).get("gold"))


def sent_again(project: Project, number: int) -> list[str]:
    """Return the ids of the images of a round that had a label and were sent out for another."""
    if not about(project, number).get("counts", {}).get("again"):
        return []
    return [name for name, reason in _reasons(project, number) if reason == AGAIN]


def sent_first(project: Project, number: int) -> list[str]:
    """Return the ids of the images of a round that had no label."""
    return [name for name, reason in _reasons(project, number) if reason not in (AGAIN, PLANTED)]


def _reasons(project: Project, number: int) -> list[tuple[str, str | None]]:
    """Return the id of each image of a round and why it was sent; nothing where the list was deleted or damaged."""
    try:
        table = pq.read_table(project.round_folder(number) / TABLE, columns=["alcli_id", "reason"])
    except (OSError, pa.ArrowException):
        return []
    return list(zip(table["alcli_id"].to_pylist(), table["reason"].to_pylist(), strict=True))


def interval(correct: int, n: int) -> tuple[float, float]:
    """Return the 95 % Clopper-Pearson interval of a proportion, `correct` of `n`; (0, 1) where n is 0."""
    from scipy.special import betaincinv  # as scipy.stats.binomtest, whose import takes three times as long

    tail = (1 - _LEVEL) / 2
    low = float(betaincinv(correct, n - correct + 1, tail)) if correct else 0.0
    high = float(betaincinv(correct + 1, n - correct, 1 - tail)) if correct < n else 1.0
    return low, high


def rows_of(manifest: Manifest, ids: list[str]) -> NDArray[np.int64]:
    """Return the manifest's row of each id; -1 where it is not there."""
    wanted, places = np.unique(identity.keys_of(pa.array(ids, pa.string())), return_inverse=True)
    # Hashing the few that are asked for is eight times as fast as sorting the million that are there.
    at = pc.fill_null(pc.index_in(pa.array(manifest.keys), value_set=pa.array(wanted)), -1).to_numpy()
    there = np.flatnonzero(at >= 0)
    rows = np.full(len(wanted), -1)
    rows[at[there]] = there
    return rows[places]
