"""Running many lanes: one after the other here, or several at once in processes of their own."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from alcli.errors import AlcliError
from alcli.images.album import Album, Decoders
from alcli.simulation.lane import Lane
from alcli.simulation.running import run

logger = logging.getLogger("alcli")

_LOOK_EVERY_S = 1.0
_KILLED = "a process of the simulation was killed, for want of memory perhaps"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Crew:
    """Who runs lanes; made by `assembled`.

    Attributes:
        decoders: As for `training.train`.
        device: As on the command line.
        told: Called now and then, and after the last line.
        pool: Processes; None runs lanes here, one after the other.
    """

    decoders: Decoders
    device: str
    told: Callable[[], None]
    pool: ProcessPoolExecutor | None

    def work(self, lanes: Sequence[Lane]) -> None:
        """Take every lane to its end; what fails is in its lines."""
        if self.pool is None:
            for lane in lanes:
                run(lane, decoders=self.decoders, device=self.device, told=self.told)
            return
        if not (left := self._together(self.pool, lanes)):
            return
        logger.warning("%s: what is not finished runs one at a time", _KILLED)
        for lane in left:
            with _processes(1) as alone:
                if self._together(alone, [lane]):
                    lane.append_failure(AlcliError(_KILLED))
            self.told()

    def _together(self, pool: ProcessPoolExecutor, lanes: Sequence[Lane]) -> list[Lane]:
        """Run lanes at once; return those that came to no end since a process was killed, which ends its pool."""
        album = self.decoders.folder if isinstance(self.decoders, Album) else None
        workers = 1 if isinstance(self.decoders, Album) else self.decoders
        futures: dict[Future[None], Lane] = {}
        with contextlib.suppress(BrokenProcessPool):
            for lane in lanes:
                futures[pool.submit(_worked, lane, album, workers, self.device)] = lane
        waiting: set[Future[None]] = set(futures)
        while waiting:
            _, waiting = wait(waiting, timeout=_LOOK_EVERY_S)
            self.told()
        ended = {lane.folder for future, lane in futures.items() if _ended(future)}
        return [lane for lane in lanes if lane.folder not in ended]


@contextlib.contextmanager
def assembled(jobs: int, *, decoders: Decoders, device: str, told: Callable[[], None]) -> Iterator[Crew]:
    """Yield a crew that takes `jobs` lanes at once; they share the cores."""
    if jobs <= 1:
        yield Crew(decoders, device, told, None)
        return
    with _few_threads(jobs), _processes(jobs) as pool:
        yield Crew(decoders, device, told, pool)


@contextlib.contextmanager
def _processes(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes that end with this one, and at once if anything is raised here."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_end_with_parent) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():  # a lane would take minutes to its end
                child.terminate()
            raise


def _ended(future: Future[None]) -> bool:
    """Return whether a lane came to its end, rather than its process being killed.

    Raises:
        Exception: A bug, as it was raised there.
    """
    try:
        future.result()
    except BrokenProcessPool:
        return False
    return True


def _worked(lane: Lane, album: Path | None, workers: int | None, device: str) -> None:
    """Run a lane in a process of its own."""
    run(lane, decoders=workers if album is None else Album(album), device=device, told=_nobody)


def _nobody() -> None:
    """Tell nobody: the parent looks at the lines by itself."""


def _end_with_parent() -> None:
    """End this process with its parent, even a killed one: a pool's processes would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def wait_for_end() -> None:
        if parent is not None:
            multiprocessing.connection.wait([parent.sentinel])
            os._exit(1)  # whatever it is at: what is on the disk is enough to go on from

    threading.Thread(target=wait_for_end, daemon=True).start()


@contextlib.contextmanager
def _few_threads(jobs: int) -> Iterator[None]:
    """Let the processes that are started now share the cores; they read it as they import numpy and torch."""
    before = {name: os.environ.get(name) for name in _THREADS}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.update(dict.fromkeys(_THREADS, str(max(1, cores // jobs))))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
