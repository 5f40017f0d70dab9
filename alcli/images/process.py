"""The parent's half of `DecodePool`: one worker process behind two pipes, started anew when it dies.

The workers are plain programs (see `alcli.images.worker`), not `multiprocessing`: nothing is forked while
threads run, nothing of the parent's `__main__` is imported again, and the end of its pipe ends a worker
whatever happened to the parent.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from alcli.images import worker
from alcli.images.transform import Transform

_CLOSED = "the decoding pool is closed"
# -P: a folder of images that holds a `json.py` must not become part of the program.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from alcli.images.worker import serve; serve()"
)


class WorkerDiedError(Exception):
    """A worker died while it decoded."""


class WorkerProcess:
    """One worker process, started at once and again after it died; `decode` is for one thread at a time."""

    def __init__(self, transform: Transform, decode: worker.DecodeFunction) -> None:
        setup = {"module": decode.__module__, "function": decode.__name__, "transform": transform.to_dict()}
        self._setup = json.dumps(setup).encode() + b"\n"
        self._lock = threading.Lock()
        self._killed = False
        self._child = self._start()

    def decode(self, paths: list[str], pixels: NDArray[np.uint8]) -> dict[str, list[Any]]:
        """Decode `paths` into `pixels`, (n, image_size, image_size, channels); return the other facts.

        Raises:
            WorkerDiedError: The process died; another is starting.
            RuntimeError: It cannot be started, or it was killed.
        """
        self._wait_until_ready()
        asked, answered = _pipes(self._child)
        with contextlib.suppress(BrokenPipeError):
            asked.write(json.dumps(paths).encode() + b"\n")
            asked.flush()
            line = answered.readline()
            if line.endswith(b"\n") and answered.readinto(pixels.data) == pixels.nbytes:
                facts: dict[str, list[Any]] = json.loads(line)
                return facts
        self._restart()
        raise WorkerDiedError

    def kill(self) -> None:
        """End the process and never start another; whoever waits in `decode` gets an error."""
        with self._lock:
            self._killed = True
            self._child.kill()

    def close(self) -> None:
        """End the process and give back what it held, once nobody waits in `decode`."""
        self._child.kill()
        self._child.wait()
        for pipe in _pipes(self._child):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(  # noqa: S603 -- our own interpreter
            [sys.executable, "-P", "-c", _PROGRAM, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            process_group=0 if os.name == "posix" else None,  # Ctrl-C in the terminal is for the parent alone
        )
        self._ready = False
        with contextlib.suppress(BrokenPipeError):
            asked, _ = _pipes(child)
            asked.write(self._setup)
            asked.flush()
        return child

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        for line in _pipes(self._child)[1]:  # an interpreter's start may print lines of its own
            if line == worker.READY:
                self._ready = True
                return
        code = self._child.wait()
        raise RuntimeError(_CLOSED if self._killed else f"a decoding process ended with {code} as it started")

    def _restart(self) -> None:
        with self._lock:
            self.close()
            if self._killed:
                raise RuntimeError(_CLOSED)
            self._child = self._start()


def _pipes(child: subprocess.Popen[bytes]) -> tuple[io.BufferedWriter, io.BufferedReader]:
    """Return what the child reads from and what it writes to."""
    return cast("io.BufferedWriter", child.stdin), cast("io.BufferedReader", child.stdout)
