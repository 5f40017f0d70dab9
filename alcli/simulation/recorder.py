"""The table of a running simulation: written anew whenever a lane has another line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alcli.progress import Advance
from alcli.simulation import results
from alcli.simulation.lane import Lane
from alcli.simulation.results import Line


class Recorder:
    """Writes the table whenever a lane has more lines, and tells how far all of them are.

    Args:
        output: The table; its lines of other lanes stay.
        identity: Of the experiment.
        lanes: In the order of the table.
        advance: Told of every line but the first `told`.
        told: How many lines earlier calls left.
    """

    def __init__(
        self,
        output: Path,
        identity: dict[str, Any],
        lanes: Sequence[Lane],
        advance: Advance | None = None,
        told: int = 0,
    ) -> None:
        self._output = output
        self._identity = identity
        self._lanes = lanes
        self._kept = self._of_others()
        self._written: list[Line] | None = None
        self._told = told
        self._advance = advance

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

    def _of_others(self) -> list[Line]:
        """Return the lines of methods and seeds that an earlier call asked for."""
        if not self._output.exists():
            return []
        columns, _ = results.read(self._output)
        mine = {(lane.title, lane.seed) for lane in self._lanes}
        lines = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return [line for line in lines if (line["method"], line["seed"]) not in mine]
