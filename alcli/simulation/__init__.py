"""Which strategy pays on these data: the loop with labels that are known, many times over, honestly compared.

Read `experiment` first, then `lane`, where one method goes its rounds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from alcli import files, manifest, training
from alcli.errors import LockHeld
from alcli.images.album import Album, Decoders
from alcli.images.transform import Transform
from alcli.manifest import Manifest
from alcli.networks import Blueprint
from alcli.progress import Advance, Progress, silent
from alcli.project import Project
from alcli.simulation import crew, needs, results
from alcli.simulation.experiment import Experiment, check_budget, ground
from alcli.simulation.lane import Lane, Needs
from alcli.simulation.methods import Method
from alcli.verdict import REFERENCE

__all__ = ["REFERENCE", "Experiment", "Method", "SimulationReport", "simulate"]

logger = logging.getLogger("alcli")

_STEM = "first labels"
_SHARE_OF_DISK = 0.5


@dataclass(frozen=True)
class SimulationReport:
    """What a simulation found.

    Attributes:
        output: The table.
        columns: Its columns by name, those of `results.COLUMNS`.
        failed: Pairs of a method and a seed that failed, with the reason.
    """

    output: Path
    columns: dict[str, list[Any]]
    failed: list[tuple[str, int, str]]


def simulate(
    project: Project,
    experiment: Experiment,
    methods: Sequence[Method],
    seeds: Sequence[int],
    *,
    output: Path | None = None,
    reference: bool = False,
    jobs: int = 1,
    device: str = "auto",
    workers: int | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> SimulationReport:
    """Let methods spend the same budget on a pool whose labels are known.

    It may be killed at any time: the same call goes on where it stopped, and a call with more methods or seeds
    adds to the table. What failed is tried again.

    Args:
        project: The pool.
        experiment: What the methods have in common.
        methods: What to compare.
        seeds: One run of every method each.
        output: The table, Parquet; None keeps it with the pool's state.
        reference: Train on all labels too, once a seed, to know what could be reached.
        jobs: Lanes at once; each takes its share of the cores.
        device: As on the command line.
        workers: Decoding processes.
        dry_run: Only check.
        progress: Told of every round.

    Raises:
        StepMissing: There is no manifest, or no test split.
        InputRejected: Too few labels are known.
        UsageError: A method cannot work here, or `output` holds another experiment.
        LockHeld: The same simulation runs already.
    """
    project.require_manifest()
    known = ground(project, manifest.read(project.manifest), experiment)
    check_budget(known, experiment)
    plan = _Plan.make(project, experiment, known, methods)
    identity = plan.experiment.record(known)
    folder = project.home / "simulations" / files.digest(*(f"{k}={v}" for k, v in sorted(identity.items())))
    output = output or folder / "results.parquet"
    results.require_same(output, identity)
    if dry_run:
        return SimulationReport(output, {}, [])
    with _alone(folder):
        files.write_json(folder / "experiment.json", identity)
        lanes = plan.lanes(project, folder, methods, seeds, reference=reference)
        if not all(lane.finished for lane in lanes):
            decoders = _decoders(folder, project, plan, workers, progress)
            if isinstance(decoders, Album):
                lanes = plan.informed(decoders, project).lanes(
                    project, folder, methods, seeds, reference=reference
                )
            recorder = _Recorder(output, identity, lanes)
            with progress("simulating", sum(lane.rounds + 1 for lane in lanes)) as advance:
                recorder.listen(advance)
                _run(lanes, jobs, decoders=decoders, device=device, told=recorder.look)
            _clear(folder, lanes)
        recorder = _Recorder(output, identity, lanes)
        recorder.look()
    columns, _ = results.read(output)
    return SimulationReport(output, columns, recorder.failed)


def _run(lanes: Sequence[Lane], jobs: int, *, told: Callable[[], None], **how: Any) -> None:
    """Run what is not finished: first the first labels of each seed, which its methods share."""
    todo = [lane for lane in lanes if not lane.finished]
    with crew.assembled(min(jobs, len(todo)), told=told, **how) as workforce:
        workforce.work(_stems(todo))
        workforce.work([lane for lane in todo if _can_begin(lane)])
    told()


def _stems(lanes: Sequence[Lane]) -> list[Lane]:
    """Return the lanes that these begin with, each once."""
    return list({lane.stem.seed: lane.stem for lane in lanes if lane.stem is not None}.values())


@dataclass(frozen=True)
class _Plan:
    """An experiment with all settled that the images decide."""

    experiment: Experiment
    ground: Manifest
    blueprint: Blueprint
    transform: Transform
    needs: dict[str, Needs]

    @classmethod
    def make(
        cls, project: Project, experiment: Experiment, known: Manifest, methods: Sequence[Method]
    ) -> _Plan:
        options, blueprint, transform = training.settle(experiment.training, project, known)
        experiment = dataclasses.replace(experiment, training=options)
        wanted = {method.name: needs.settle(method, experiment, blueprint, known) for method in methods}
        return cls(experiment, known, blueprint, transform, wanted)

    def informed(self, album: Album, project: Project) -> _Plan:
        """Leave out what cannot be decoded, and know every file's digest: scoring need not find them out."""
        start = len(f"{project.pool}/")
        place = {path[start:]: row for row, path in enumerate(album.paths)}
        rows = [place[str(name)] for name in self.ground.strings("file_name")]
        good = [number for number, row in enumerate(rows) if album.problems[row] is None]
        if len(good) < len(rows):
            logger.warning("%d images cannot be decoded and are left out", len(rows) - len(good))
        told = self.ground.replace(
            sha256=[album.sha256[row] for row in rows],
            size=album.sizes[rows],
            mtime_ns=album.mtimes_ns[rows],
        )
        return dataclasses.replace(self, ground=Manifest(told.table.take(good), told.classes))

    def lanes(
        self,
        project: Project,
        folder: Path,
        methods: Sequence[Method],
        seeds: Sequence[int],
        *,
        reference: bool,
    ) -> list[Lane]:
        """Return a lane for each method and seed, method by method; seeds share the lane of their first labels."""

        def lane(title: str, seed: int, **more: Any) -> Lane:
            slug = re.sub(r"[^a-z0-9]+", "-", title.lower())[:40]
            place = folder / "lanes" / f"{slug}-{files.digest(title)[:6]}-{seed}"
            return Lane(
                project.pool, place, title, seed=seed, experiment=self.experiment, ground=self.ground, **more
            )

        shared = needs.union(list(self.needs.values()))
        stems = {seed: lane(f"{_STEM} {shared}", seed, method=None, needs=shared) for seed in seeds}
        lanes = [
            lane(method.name, seed, method=method, needs=self.needs[method.name], stem=stems[seed])
            for method in methods
            for seed in seeds
        ]
        if reference:
            lanes += [lane(REFERENCE, seed, method=None, needs=Needs(), everything=True) for seed in seeds]
        return lanes


class _Recorder:
    """Writes the table whenever a lane has more lines, and tells how far all of them are."""

    def __init__(self, output: Path, identity: dict[str, Any], lanes: Sequence[Lane]) -> None:
        self._output = output
        self._identity = identity
        self._lanes = lanes
        self._kept = self._of_others()
        self._written: list[results.Line] | None = None
        self._told = 0
        self._advance: Advance | None = None

    def listen(self, advance: Advance) -> None:
        """Remember whom to tell; what was done before this call counts as done."""
        self._advance = advance
        self.look()

    def look(self) -> None:
        """Write what is new."""
        lines = [line for lane in self._lanes for line in lane.lines()]
        if lines == self._written:
            return
        results.write(self._output, [*lines, *self._kept], self._identity)
        self._written = lines
        if self._advance and len(lines) > self._told:
            self._advance(len(lines) - self._told)
            self._told = len(lines)

    @property
    def failed(self) -> list[tuple[str, int, str]]:
        """The lanes that did not reach their end."""
        found = []
        for lane in self._lanes:
            lines = lane.lines()
            if not lane.finished:
                error = (lines[-1].get("error") if lines else None) or "it did not reach its end"
                found.append((lane.title, lane.seed, error))
        return found

    def _of_others(self) -> list[results.Line]:
        """Return the lines of methods and seeds that an earlier call asked for."""
        if not self._output.exists():
            return []
        columns, _ = results.read(self._output)
        mine = {(lane.title, lane.seed) for lane in self._lanes}
        lines = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return [line for line in lines if (line["method"], line["seed"]) not in mine]


def _can_begin(lane: Lane) -> bool:
    """Return whether a lane's stem stands; a lane whose stem failed fails alike."""
    if lane.stem is None or lane.stem.finished:
        return True
    lane.folder.mkdir(parents=True, exist_ok=True)
    for line in lane.stem.lines()[-1:]:
        files.write_bytes(lane.lines_path, b"")
        files.append_line(lane.lines_path, json.dumps({**line, "method": lane.title}))
    return False


def _decoders(
    folder: Path, project: Project, plan: _Plan, workers: int | None, progress: Progress
) -> Decoders:
    """Return an album of all images, or decoding processes where an album would not fit."""
    size = Album.bytes_for(len(plan.ground), plan.transform)
    if size > _SHARE_OF_DISK * shutil.disk_usage(folder).free:
        logger.info("images of %.1f GB are decoded again and again: they do not fit the disk", size / 1e9)
        return workers
    paths = [f"{project.pool}/{name}" for name in plan.ground.strings("file_name")]
    return Album.fill(folder / "album", paths, plan.transform, workers=workers, progress=progress)


def _clear(folder: Path, lanes: Sequence[Lane]) -> None:
    """Give back the disk of what is finished."""
    finished = [lane for lane in lanes if lane.finished]
    for lane in finished:
        lane.clear()
    if len(finished) == len(lanes):
        for stem in _stems(lanes):
            stem.clear()
            stem.lines_path.unlink(missing_ok=True)
        shutil.rmtree(folder / "album", ignore_errors=True)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with files.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise LockHeld(
            "this very simulation runs already", hint="wait for it, or look at its table"
        ) from error
    try:
        yield
    finally:
        lock.release()
