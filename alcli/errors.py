"""Every failure that a user can mend, and the exit code it ends with.

    AlcliError
    ├── UsageError       2  the command line or the configuration is wrong
    │   └── CannotWrite  2  the place to write to is full or read-only
    ├── StepMissing      3  a step is missing or out of order
    ├── PoolExhausted    4  nothing left to query
    ├── InputRejected    5  input data rejected, nothing changed
    └── LockHeld         6  another alcli is writing here

Anything else is a bug: it ends with a traceback and exit code 1.
"""

from __future__ import annotations

from collections.abc import Sequence


class AlcliError(Exception):
    """A failure that the user can mend.

    Args:
        message: One line that names the thing and the number.
        hint: What to do, best a command that can be pasted.
        details: The rows or files concerned; the first ten are shown.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = list(details)


class UsageError(AlcliError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class CannotWrite(UsageError):
    """The place to write to is full or read-only."""


class StepMissing(AlcliError):
    """A step is missing or out of order; the hint names the command to run."""

    exit_code = 3


class PoolExhausted(AlcliError):
    """No image is left to query."""

    exit_code = 4


class InputRejected(AlcliError):
    """Input data is rejected and nothing was changed."""

    exit_code = 5


class LockHeld(AlcliError):
    """Another alcli is writing to this pool."""

    exit_code = 6
