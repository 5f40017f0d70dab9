"""One method with one seed: where it runs, and what it has measured so far."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from alcli import files
from alcli.errors import AlcliError
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.simulation.experiment import Experiment
from alcli.simulation.methods import Method
from alcli.simulation.results import Line


@dataclass(frozen=True)
class Needs:
    """What a method's signals ask of training and scoring.

    Attributes:
        embedding: `triplet`, `joint` or `none`.
        mc_samples: Dropout passes; 0 for none.
        pool: Whether images of the pool must be scored at all; `random` does without.
    """

    embedding: str = "none"
    mc_samples: int = 0
    pool: bool = True


@dataclass(frozen=True)
class Lane:
    """Where one method with one seed runs.

    Attributes:
        pool: The image folder.
        folder: For its state, and for its lines once that is gone.
        title: The method as it is called in the table.
        method: None only measures: the first labels, or all of them.
        seed: Of the first labels, of training and of selecting.
        experiment: What all lanes have in common.
        ground: A manifest with all labels.
        needs: Of the method.
        everything: Begin with all labels.
        stem: The lane of the same seed that measured the first labels; this one begins with its state.
    """

    pool: Path
    folder: Path
    title: str
    method: Method | None
    seed: int
    experiment: Experiment
    ground: Manifest
    needs: Needs
    everything: bool = False
    stem: Lane | None = None

    @property
    def state(self) -> Path:
        """The folder of manifest, models, signals and rounds; gone once the lane is finished."""
        return self.folder / "state"

    @property
    def lines_path(self) -> Path:
        """A line a round."""
        return self.folder / "lines.jsonl"

    @property
    def rounds(self) -> int:
        """How many rounds it takes after the first labels."""
        return self.experiment.rounds if self.method else 0

    def needed(self, number: int) -> Needs:
        """Return what is needed of a round's model: if nobody chooses by it afterwards, its accuracy and no more."""
        chosen_by = not self.everything and (self.method is None or number < self.rounds)
        if chosen_by:
            return self.needs
        shared = self.needs.embedding == "joint"  # there the embedding shapes the classifier
        return Needs("joint" if shared else "none", pool=False)

    @property
    def begun(self) -> bool:
        """Whether it has a state of its own, and needs its stem no more."""
        return Project(self.pool, self.state).manifest.exists()

    def lines(self) -> list[Line]:
        """Return what has been measured so far; a failure is the last line."""
        lines = files.read_lines(self.lines_path) if self.lines_path.exists() else []
        return [{**line, "method": self.title} for line in lines]

    @property
    def finished(self) -> bool:
        """Whether all its rounds have been measured."""
        lines = self.lines()
        return len(lines) > self.rounds and not lines[-1].get("error")

    def clear(self) -> None:
        """Give back the disk that a finished lane takes."""
        shutil.rmtree(self.state, ignore_errors=True)

    def append(self, line: Line) -> None:
        """Write down a line, on the disk when this returns."""
        files.append_line(self.lines_path, json.dumps({**line, "seed": self.seed, "method": self.title}))

    def append_failure(self, error: Exception) -> None:
        """Write down why the lane came to no end, in one line."""
        self.append({"round": len(self.lines()), "error": self._told(error)})

    def _told(self, error: Exception) -> str:
        """Return what failed, and what helps; a hint about the lane's own state helps nobody."""
        if not isinstance(error, AlcliError):
            return f"{type(error).__name__}: {error}".splitlines()[0]
        hints = (error.hint or "").splitlines()
        return "; ".join([error.message, *(f"hint: {hint}" for hint in hints if str(self.state) not in hint)])

    def forget_failure(self) -> None:
        """Drop the line of a failure: the lane is tried again from where it failed."""
        lines = self.lines()
        kept = [line for line in lines if not line.get("error")]
        if len(kept) < len(lines):
            files.write_bytes(self.lines_path, "".join(f"{json.dumps(line)}\n" for line in kept).encode())
