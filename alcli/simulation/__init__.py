"""Which strategy pays on these data: the loop with labels that are known, many times over, honestly compared.

Read `experiment` first, then `running`, where one method goes its rounds.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from alcli import files, manifest, verdict
from alcli.errors import LockHeld, UsageError
from alcli.images.album import Album, Decoders
from alcli.progress import Progress, silent
from alcli.project import Project
from alcli.simulation import contents, crew, results
from alcli.simulation.drawing import Drawing
from alcli.simulation.experiment import Experiment, ground
from alcli.simulation.lane import Lane
from alcli.simulation.methods import Method
from alcli.simulation.plan import Plan
from alcli.simulation.recorder import Recorder
from alcli.verdict import REFERENCE

__all__ = ["REFERENCE", "Experiment", "Method", "SimulationReport", "simulate"]

logger = logging.getLogger("alcli")

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
    pictures: Sequence[Drawing] = (),
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
        pictures: What is to be drawn of the results: only whether it can be is checked.
        dry_run: Only check.
        progress: Told of every round.

    Raises:
        StepMissing: There is no manifest, or no test split.
        InputRejected: Too few labels are known, or labels of too few classes; images have changed.
        UsageError: A method cannot work here, `output` holds another experiment, or a picture cannot be drawn.
        LockHeld: The same simulation runs already.
    """
    project.require_manifest()
    known = ground(project, manifest.read(project.manifest), experiment)
    plan = Plan.make(project, experiment, known, methods)
    plan.check(seeds)
    plan = plan.on(contents.told(project, known, keep=not dry_run, progress=progress))
    identity = plan.experiment.record(plan.ground)
    folder = project.home / "simulations" / files.digest(*(f"{k}={v}" for k, v in sorted(identity.items())))
    output = output or folder / "results.parquet"
    results.require_same(output, identity)
    compared = [*methods, *_earlier(output)]
    for picture in pictures:
        picture.check(compared, experiment.rounds)
    names = {method.name for method in compared}
    if few := verdict.foresee(names, len({*seeds, *results.distinct(output, "seed")})):
        logger.warning("%s", few)
    if dry_run:
        return SimulationReport(output, {}, [])
    with _alone(folder):
        files.write_json(folder / "experiment.json", identity)
        lanes = plan.lanes(project, folder, methods, seeds, reference=reference)
        if not all(lane.finished for lane in lanes):
            decoders = _decoders(folder, project, plan, workers, progress)
            if isinstance(decoders, Album):
                plan = plan.informed(decoders, project)
                plan.check(seeds)
                lanes = plan.lanes(project, folder, methods, seeds, reference=reference)
            earlier = sum(len(lane.lines()) for lane in lanes)
            with progress("simulating", sum(lane.rounds + 1 for lane in lanes), earlier) as advance:
                told = Recorder(output, identity, lanes, advance, earlier).look
                told()
                _run(lanes, jobs, decoders=decoders, device=device, told=told)
            _clear(folder, lanes)
        recorder = Recorder(output, identity, lanes)
        recorder.look()
    columns, _ = results.read(output)
    return SimulationReport(output, columns, recorder.failed)


def _earlier(output: Path) -> Iterator[Method]:
    """Yield the methods that the table has already."""
    for name in results.distinct(output, "method"):
        with contextlib.suppress(UsageError):  # the reference, or what is no method any more
            yield Method.parse(name)


def _run(lanes: Sequence[Lane], jobs: int, *, told: Callable[[], None], **how: Any) -> None:
    """Run what is not finished: first the first labels, which methods share that are trained alike."""
    todo = [lane for lane in lanes if not lane.finished]
    with crew.assembled(min(jobs, len(todo)), told=told, **how) as workforce:
        workforce.work(_stems([lane for lane in todo if not lane.begun]))
        workforce.work([lane for lane in todo if _can_begin(lane)])
    told()


def _stems(lanes: Sequence[Lane]) -> list[Lane]:
    """Return the lanes that these begin with, each once."""
    return list({lane.stem.folder: lane.stem for lane in lanes if lane.stem is not None}.values())


def _can_begin(lane: Lane) -> bool:
    """Return whether a lane's stem stands; a lane whose stem failed fails alike."""
    if lane.begun or lane.stem is None or lane.stem.finished:
        return True
    lane.folder.mkdir(parents=True, exist_ok=True)
    lane.lines_path.unlink(missing_ok=True)
    for line in lane.stem.lines()[-1:]:
        lane.append(line)
    return False


def _decoders(
    folder: Path, project: Project, plan: Plan, workers: int | None, progress: Progress
) -> Decoders:
    """Return an album of all images, or decoding processes where an album would not fit."""
    size = Album.bytes_for(len(plan.ground), plan.transform)
    if size > _SHARE_OF_DISK * shutil.disk_usage(folder).free:
        logger.info("images of %.1f GB are decoded again and again: they do not fit the disk", size / 1e9)
        return workers
    paths = [f"{project.pool}/{name}" for name in plan.ground.strings("file_name")]
    return Album.fill(
        folder / "album",
        paths,
        plan.transform,
        sha256=plan.ground.strings("sha256"),
        workers=workers,
        progress=progress,
    )


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
