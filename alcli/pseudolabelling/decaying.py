"""CEAL's threshold, lowered from round to round as the model grows surer (Wang et al., 2017, arXiv:1701.03551)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Decay = Literal["linear", "cumulative", "constant"]
_DECIMALS = 10  # to which entropies are compared with it


@dataclass(frozen=True)
class Schedule:
    """A threshold δ_t for every round t from 0.

    The paper's "δ - dr·t" is read in two ways by those who implemented it; neither falls below 0, where no image
    can be sure enough.

    Attributes:
        start: δ0 in nats, above 0.
        decay: `linear`: δ_t = δ0 - r·t. `cumulative`: δ_t = δ_(t-1) - r·t, so δ0 - r·t·(t+1)/2. `constant`: δ0.
        rate: r, at least 0; `constant` does not read it.
    """

    start: float
    decay: Decay
    rate: float = 0.0

    def threshold(self, t: int) -> float:
        """Return δ_t in nats, at least 0."""
        steps = {"linear": t, "cumulative": t * (t + 1) / 2, "constant": 0}[self.decay]
        return max(0.0, round(self.start - self.rate * steps, _DECIMALS))

    def ended(self, t: int) -> int | None:
        """Return the first round up to t whose threshold is 0; None if there is none."""
        return next((earlier for earlier in range(t + 1) if not self.threshold(earlier)), None)

    def rounds(self, lines: Iterable[Mapping[str, Any]]) -> list[int]:
        """Return the rounds in which the journal says this schedule was followed, in the order of the lines."""
        return [int(line["round"]) for line in lines if "round" in line and self._wrote(line)]

    def _wrote(self, line: Mapping[str, Any]) -> bool:
        same = (line.get("command"), line.get("decay"), line.get("threshold")) == (
            "pseudolabel",
            self.decay,
            self.start,
        )
        return same and (self.decay == "constant" or line.get("rate") == self.rate)


@dataclass(frozen=True)
class Step:
    """Where a schedule stands.

    Attributes:
        t: The current round less the first one in which the schedule was followed; 0 in that one.
        delta: δ_t in nats.
        ended: The first t whose threshold was 0; None while it is above.
        noted: Whether the journal knows already that the schedule was followed in this round.
    """

    t: int
    delta: float
    ended: int | None
    noted: bool

    @classmethod
    def of(cls, schedule: Schedule, lines: Iterable[Mapping[str, Any]], round_: int) -> Step:
        """Return where `schedule` stands in a round.

        Args:
            schedule: The schedule.
            lines: The journal's, without what was undone.
            round_: The pool's newest round.
        """
        rounds = schedule.rounds(lines)
        t = round_ - min([*rounds, round_])
        return cls(t, schedule.threshold(t), schedule.ended(t), round_ in rounds)
