"""How a long step tells how far it is, without knowing who listens.

A step takes `progress` and writes `with progress("scoring", total=n) as advance: ... advance(batch)`.
The command line passes one that draws bars; a library user passes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol


class Advance(Protocol):
    """Tells how far a stage is."""

    def __call__(self, count: int = 1, note: str = "") -> None:
        """Tell that `count` more units are done, and what else there is to say, such as the loss."""


class Progress(Protocol):
    """Opens stages."""

    def __call__(self, stage: str, total: int, done: int = 0) -> AbstractContextManager[Advance]:
        """Open one stage of `total` units; an earlier run did `done` of them, in time that does not count here."""
        ...


@contextlib.contextmanager
def silent(stage: str, total: int, done: int = 0) -> Iterator[Advance]:
    """Listen to nothing."""
    del stage, total, done
    yield _ignore


def _ignore(count: int = 1, note: str = "") -> None:
    del count, note
