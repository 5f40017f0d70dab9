"""Folders of models: one for a training under way, one for a finished model, which appears by one rename."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import numpy as np
from numpy.typing import NDArray

from alcli import files, models, networks
from alcli.errors import LockHeld
from alcli.models import RECORD, ModelRecord
from alcli.networks import Model
from alcli.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger("alcli")

LOG = "log.jsonl"
_PARTIAL = ".partial-"
_FINISHED = ".finished-"


@contextlib.contextmanager
def only_one(project: Project) -> Iterator[None]:
    """Let one `train` at a time run on a pool, without holding up commands that write the manifest.

    Raises:
        LockHeld: Another one runs.
    """
    with files.storage_errors(project.models):
        project.models.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(project.models / ".lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise LockHeld(
                f"another `alcli train` is running on {project.pool}",
                hint="wait for it to end, then run this again",
            ) from error
    try:
        yield
    finally:
        lock.release()


def up_to_date(project: Project, identity: str) -> ModelRecord | None:
    """Return the newest model if it is the one that would be trained."""
    records = models.all_models(project)
    return records[-1] if records and records[-1].about.get("identity") == identity else None


def begin(project: Project, identity: str, *, resume: bool) -> Path:
    """Return the folder for checkpoints; what other trainings left behind goes.

    Args:
        project: The pool.
        identity: Of the training; only the very same one can be resumed.
        resume: Keep what a killed run of the same training left.
    """
    mine = project.models / f"{_PARTIAL}{identity}"
    if resume and mine.exists():
        logger.info("resuming a training that was interrupted")
    elif resume:
        logger.info(
            "nothing to resume: no training with these labels and options was interrupted; starting anew"
        )
    for leftover in [*project.models.glob(f"{_PARTIAL}*"), *project.models.glob(f"{_FINISHED}*")]:
        if not (resume and leftover == mine):
            shutil.rmtree(leftover)
    mine.mkdir(exist_ok=True)
    files.remove_leftovers(mine)
    return mine


def publish(
    project: Project,
    identity: str,
    model: Model,
    about: dict[str, Any],
    log: list[dict[str, Any]],
    learned: NDArray[np.uint64] | None = None,
    tables: Mapping[str, pa.Table] | None = None,
) -> ModelRecord:
    """Save a model and make its folder appear, whole, under the next number.

    Args:
        project: The pool.
        identity: Of the training.
        model: With its final weights.
        about: All of `model.json` but the id.
        log: A line per epoch and network.
        learned: Keys of the images whose labels it learned from; None where that is not known.
        tables: Further tables, by file name.
    """
    place = project.models / f"{_FINISHED}{identity}"
    with files.storage_errors(place):
        networks.save(model, place)
        files.write_bytes(place / LOG, "".join(f"{json.dumps(line)}\n" for line in log).encode())
        if learned is not None:
            with files.atomic_path(place / models.LEARNED) as temporary, temporary.open("wb") as sink:
                np.save(sink, learned, allow_pickle=False)
        for name, table in (tables or {}).items():
            _write_table(place / name, table)
        with project.locked("train"):
            about = {"id": models.next_id(project, identity), "identity": identity, **about}
            files.write_json(place / RECORD, about)
            folder = project.models / about["id"]
            place.rename(folder)
        shutil.rmtree(project.models / f"{_PARTIAL}{identity}")
    return ModelRecord(folder, about)


def _write_table(path: Path, table: pa.Table) -> None:
    from pyarrow import parquet

    with files.atomic_path(path) as temporary:
        parquet.write_table(table, temporary)
