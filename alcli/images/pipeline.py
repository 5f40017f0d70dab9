"""Decoding on every core, ahead of the network, in order.

`DecodePool` holds worker processes, each with a thread of this process that asks it for one chunk of images
after the other and reads the pixels straight into their batch. A decoder that crashes takes one known chunk
with it, and of that, after a second try, one known image.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import queue
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from alcli.images import decoding, worker
from alcli.images.process import WorkerDiedError, WorkerProcess
from alcli.images.transform import Transform

CRASHED = "the decoder crashed on this file"

_SMALLEST_CHUNK, _LARGEST_CHUNK = (
    8,
    128,
)  # images per request: few enough to share a batch, enough to be cheap
_CHUNKS_AHEAD = 3  # per worker
_BYTES_AHEAD = 256 << 20


@dataclass(frozen=True)
class Batch:
    """Some images in the order they were asked for.

    Attributes:
        start: Position of the first image in `paths`.
        pixels: (b, image_size, image_size, channels); zeros where there is a problem.
        problems: b reasons why there are no pixels, None where there are.
        sha256: b digests of the files' bytes, 64 hex digits; None for a file that could not be read.
        sizes: (b,) bytes.
        mtimes_ns: (b,) nanoseconds since 1970.
    """

    start: int
    pixels: NDArray[np.uint8]
    problems: list[str | None]
    sha256: list[str | None]
    sizes: NDArray[np.int64]
    mtimes_ns: NDArray[np.int64]

    @classmethod
    def empty(cls, start: int, count: int, transform: Transform) -> Batch:
        """Return a batch of `count` images that is yet to be filled."""
        return cls(
            start=start,
            pixels=np.zeros((count, *transform.shape), np.uint8),
            problems=[None] * count,
            sha256=[None] * count,
            sizes=np.zeros(count, np.int64),
            mtimes_ns=np.zeros(count, np.int64),
        )

    def note(self, rows: slice, facts: dict[str, list[Any]]) -> None:
        """Write down everything but the pixels of `rows`."""
        self.problems[rows] = facts["problems"]
        self.sha256[rows] = facts["sha256"]
        self.sizes[rows] = facts["sizes"]
        self.mtimes_ns[rows] = facts["mtimes_ns"]


class DecodePool:
    """Worker processes that decode images; started once, used for any number of streams.

    Args:
        transform: What every image becomes.
        workers: Processes. None: one per core that this process may use. 0: decode in this process, without
            protection from a decoder that crashes.
        decode: A function at the top of an importable module.
    """

    def __init__(
        self,
        transform: Transform,
        *,
        workers: int | None = None,
        decode: worker.DecodeFunction = decoding.decode,
    ) -> None:
        self.transform = transform
        self.workers = _cores() if workers is None else workers
        self._decode = decode
        self._processes = [WorkerProcess(transform, decode) for _ in range(self.workers)]
        self._idle: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
        for process in self._processes:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(max(self.workers, 1), "alcli-decode")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes at once; may be called again."""
        for process in self._processes:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.close()

    def stream(self, paths: Sequence[str], *, batch_size: int) -> Iterator[Batch]:
        """Decode `paths` in order.

        While the caller works on a batch, the next ones are decoded: three chunks per worker, but no more
        than 256 MiB of pixels unless one batch is larger. The content depends neither on `workers` nor on
        timing.

        Args:
            paths: Image files.
            batch_size: Images per batch, at least 1; the last batch may be smaller.
        """
        starts = range(0, len(paths), batch_size)
        if not self.workers:
            yield from (self._decoded_here(paths[start : start + batch_size], start) for start in starts)
            return
        ahead = self._batches_ahead(batch_size)
        pending: deque[tuple[Batch, list[Future[None]]]] = deque()
        try:
            for start in starts:
                pending.append(self._submit(paths[start : start + batch_size], start))
                if len(pending) > ahead:
                    yield _finished(pending)
            while pending:
                yield _finished(pending)
        finally:
            for future in (future for _, futures in pending for future in futures):
                future.cancel()

    def _decoded_here(self, paths: Sequence[str], start: int) -> Batch:
        batch = Batch.empty(start, len(paths), self.transform)
        batch.note(slice(None), worker.decode_into(batch.pixels, self._decode, paths, self.transform))
        return batch

    def _chunk_size(self, batch_size: int) -> int:
        return min(max(-(-batch_size // self.workers), _SMALLEST_CHUNK), _LARGEST_CHUNK, batch_size)

    def _batches_ahead(self, batch_size: int) -> int:
        wanted = max(2, -(-_CHUNKS_AHEAD * self.workers * self._chunk_size(batch_size) // batch_size))
        affordable = _BYTES_AHEAD // (batch_size * math.prod(self.transform.shape))
        return max(1, min(wanted, affordable))

    def _submit(self, paths: Sequence[str], start: int) -> tuple[Batch, list[Future[None]]]:
        batch = Batch.empty(start, len(paths), self.transform)
        step = self._chunk_size(len(paths))
        futures = [
            self._threads.submit(self._fill, batch, first, list(paths[first : first + step]))
            for first in range(0, len(paths), step)
        ]
        return batch, futures

    def _fill(self, batch: Batch, first: int, paths: list[str]) -> None:
        """Decode one chunk into its batch; runs in a thread of its own, one per worker.

        If the worker dies, its images are decoded again one by one, so that the next one to kill a worker is
        known.
        """
        process = self._idle.get()
        try:
            try:
                self._ask(process, batch, first, paths)
            except WorkerDiedError:
                for row, path in enumerate(paths, first):
                    self._ask_alone(process, batch, row, path)
        finally:
            self._idle.put(process)

    def _ask(self, process: WorkerProcess, batch: Batch, first: int, paths: list[str]) -> None:
        rows = slice(first, first + len(paths))
        batch.note(rows, process.decode(paths, batch.pixels[rows]))

    def _ask_alone(self, process: WorkerProcess, batch: Batch, row: int, path: str) -> None:
        try:
            self._ask(process, batch, row, [path])
        except WorkerDiedError:
            batch.pixels[row] = 0
            batch.problems[row] = CRASHED
            with contextlib.suppress(OSError):
                facts = os.stat(path)  # noqa: PTH116 -- paths are strings here
                batch.sizes[row], batch.mtimes_ns[row] = facts.st_size, facts.st_mtime_ns


def _finished(pending: deque[tuple[Batch, list[Future[None]]]]) -> Batch:
    """Wait for the oldest batch and take it out."""
    batch, futures = pending[0]
    for future in futures:
        future.result()
    pending.popleft()
    return batch


@functools.cache
def _cores() -> int:
    """How many cores this process may use; a container or a batch system may allow fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
