"""A pool and where everything about it is kept."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alcli import files
from alcli.errors import LockHeld, StepMissing, UsageError

HOME = ".alcli"
MANIFEST = "metadata.parquet"
ROUND_RECORD = "selection.json"
# Folders that only the holder of the lock writes to; a training writes to `models/.partial-…` beside it.
_LOCKED = ("votes/", "rounds/*/", "audits/*/", "signals/*/", "models/[0-9]*/")


@dataclass(frozen=True)
class Project:
    """A pool, the folder of images, and the state that alcli keeps of it.

    Attributes:
        pool: The image folder; only `metadata.parquet` and `.alcli/` in it are ever written.
        state: The folder that holds these two; the pool itself unless `--state` says otherwise.
    """

    pool: Path
    state: Path

    @classmethod
    def open(cls, pool: Path, state: Path | None = None) -> Project:
        """Find the pool; nothing is written.

        Raises:
            UsageError: `pool` is not a folder, or `state` is something else than a folder.
        """
        if state is not None and state.exists() and not state.is_dir():
            raise UsageError(f"--state {state} is not a folder")
        if not pool.is_dir():
            what = "is not a folder" if pool.exists() else "does not exist"
            raise UsageError(
                f"the pool {pool} {what}", hint="alcli COMMAND POOL, where POOL is an image folder"
            )
        return cls(pool, state or pool)

    @property
    def manifest(self) -> Path:
        """The label manifest."""
        return self.state / MANIFEST

    @property
    def home(self) -> Path:
        """The folder of everything else."""
        return self.state / HOME

    @property
    def config(self) -> Path:
        """The settings."""
        return self.home / "config.toml"

    @property
    def models(self) -> Path:
        """The folder of trained models."""
        return self.home / "models"

    @property
    def signals(self) -> Path:
        """The folder of saved signals, one folder per model."""
        return self.home / "signals"

    @property
    def rounds(self) -> Path:
        """The folder of selections, one folder per round."""
        return self.home / "rounds"

    @property
    def audits(self) -> Path:
        """The folder of what `audit` found, one folder per audit."""
        return self.home / "audits"

    @property
    def history(self) -> Path:
        """The folder of earlier manifests."""
        return self.home / "history"

    @property
    def journal(self) -> Path:
        """A line per command that changed something."""
        return self.home / "journal.jsonl"

    @property
    def summary(self) -> Path:
        """Counts over the manifest, so that `status` need not read it."""
        return self.home / "summary.json"

    def round_folder(self, number: int) -> Path:
        """Return the folder of one round."""
        return self.rounds / f"{number:04d}"

    def command(self, verb: str, *options: str) -> str:
        """Return a command line for this pool that can be pasted; for hints."""
        state = [] if self.state == self.pool else ["--state", _quoted(self.state)]
        return " ".join(["alcli", verb, *options, *state, _quoted(self.pool)])

    def require_manifest(self) -> None:
        """Check that `init` was run.

        Raises:
            StepMissing: It was not: nothing is there, or a Parquet file that the user brought.
        """
        if not self.manifest.exists():
            raise StepMissing(f"{self.pool} has no label manifest yet", hint=self.command("init"))
        from alcli import schema  # its packages take a while to import

        if schema.is_another(self.manifest):
            ways = [self.command("init")]
            if any(self.history.glob("[0-9]*.parquet")):
                undo = self.command("undo")
                ways.append(f"or, if it was written over the label manifest, bring that back: {undo}")
            raise StepMissing(
                f"{self.manifest} is no label manifest yet: init reads what it says and makes one of it",
                hint="\n".join(ways),
            )

    @contextlib.contextmanager
    def locked(self, command: str, *, timeout_s: float = 3.0) -> Iterator[None]:
        """Hold the lock of this pool: one writer at a time.

        Raises:
            LockHeld: Another alcli holds it; the message says which.
            CannotWrite: The state folder is read-only.
        """
        import filelock  # only writers need it, and it costs `--help` 20 ms

        owner = self.home / "lock.json"
        with files.storage_errors(self.home):
            self.home.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.home / "lock", timeout=timeout_s)
            try:
                lock.acquire()
            except filelock.Timeout as error:
                raise LockHeld(
                    f"another alcli is writing to {self.state}{_describe(owner)}",
                    hint="wait for it to end, then run this again",
                ) from error
        try:
            self._clean(after_a_kill=owner.exists())
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": command}
            files.write_json(owner, holder, flush=False)
            yield
        finally:
            with contextlib.suppress(OSError):  # the file system may have become read-only meanwhile
                owner.unlink(missing_ok=True)
            lock.release()

    def _clean(self, *, after_a_kill: bool) -> None:
        """Remove what killed runs left half-written; folders of rounds are looked through after a kill only."""
        within = [place for pattern in _LOCKED for place in self.home.glob(pattern)] if after_a_kill else []
        for folder in (self.state, self.home, self.history, *within):
            files.remove_leftovers(folder)


def _describe(owner: Path) -> str:
    """Say who holds the lock, as far as the file beside it tells."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        holder = json.loads(owner.read_bytes())
        return f": `{holder['command']}`, process {holder['pid']} on {holder['host']}"
    return ""


def _quoted(path: Path) -> str:
    """Quote a path for the shell."""
    import shlex

    return shlex.quote(str(path))
