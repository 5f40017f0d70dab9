"""Decode functions for the tests of the pool, in a module of their own: workers import them by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from alcli.images.decoding import Decoded, decode
from alcli.images.transform import Transform


def crashing(path: str, transform: Transform) -> Decoded:
    """Die on files whose name begins with `crash`, as a decoder in C does."""
    if Path(path).name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return decode(path, transform)


def crashing_once(path: str, transform: Transform) -> Decoded:
    """Die on the first attempt at `once.png`, as when memory runs out for a moment."""
    mark = Path(path + ".tried")
    if Path(path).name == "once.png" and not mark.exists():
        mark.touch()
        os._exit(9)
    return decode(path, transform)


def noisy(path: str, transform: Transform) -> Decoded:
    """Write to every standard stream, past Python."""
    os.write(1, b"out")
    os.write(2, b"err")
    return decode(path, transform)


def slow(path: str, transform: Transform) -> Decoded:
    """Take a minute."""
    time.sleep(60)
    return decode(path, transform)


def naming_process(path: str, transform: Transform) -> Decoded:
    """Tell in `problem` which process decoded; slow enough for the other one to get its share."""
    time.sleep(0.01)
    return decode(path, transform)._replace(problem=str(os.getpid()))


def listing_modules(path: str, transform: Transform) -> Decoded:
    """Tell in `problem` what the process has imported."""
    import sys

    return decode(path, transform)._replace(problem=" ".join(sys.modules))
