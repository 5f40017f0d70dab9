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

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Remedy(NamedTuple):
    """Options that would help if the same command were given again with them.

    Attributes:
        options: Such as `--new-classes` or `--resolve=majority`; what was given under these names gives way.
        effect: What they do, where there is a choice.
    """

    options: tuple[str, ...]
    effect: str = ""


class AlcliError(Exception):
    """A failure that the user can mend.

    Args:
        message: One line that names the thing and the number.
        hint: What to do, best a command that can be pasted.
        remedies: Options that would help; the command line makes whole commands of them, with all that was given.
        details: The rows or files concerned; the first ten are shown.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        remedies: Sequence[Remedy] = (),
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = list(details)
        self._advice = hint
        self._remedies = list(remedies)
        self.offer(" ".join)

    def offer(self, again: Callable[[Sequence[str]], str]) -> None:
        """Set the hint, a line for each way out.

        Args:
            again: Returns the command that failed with these options.
        """
        ways = [
            f"{remedy.effect}: {again(remedy.options)}" if remedy.effect else again(remedy.options)
            for remedy in self._remedies
        ]
        self.hint = "\n".join([*([self._advice] if self._advice else []), *ways]) or None


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
