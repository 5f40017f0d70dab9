"""What a user asks `select` for, checked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from alcli.errors import UsageError

_NUMBER = re.compile(r"\d+")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")


@dataclass(frozen=True)
class Request:
    """A selection as it is asked for. Two equal requests are the same question.

    Attributes:
        strategy: Its name on the command line.
        k: Images to select: a number from 1, or a share of the queryable images such as `5%`, rounded up.
        options: The strategy's own parameters, as given.
        seed: Drives every random choice.
        order: `uncertain` or `confident`, where the strategy has both; None is its own order.
        stochastic: `power`, `softmax` or `softrank` to draw by score instead of taking the best.
        beta: How closely such a draw follows the scores.
        per_class: At most so many ranked images of each predicted class.
        class_balance: Whether the batch evens out the classes, those of labelled images included.
        dedup: Whether at most one of a group of duplicates is selected.
        dedup_threshold: Cosine of embeddings, in (0, 1], from which images count as duplicates; None is 0.97, where
            that tells them from images of one kind.
        candidates: Narrow the pool to so many images first; None for all.
        audit: Share of the k images that is drawn at random, `0%` to `100%`.
        blind: Whether the model's guesses are left out.
        gold: Share of the k images that is sent beside them although their label is known, `0%` to `100%`.
        relabel: Whether labelled images are ranked too, for another label.

    Raises:
        UsageError: `k`, `audit`, `per_class`, `dedup_threshold`, `candidates` or `gold` is not as described, or
            `relabel` stands beside an option that goes by the unlabelled images only.
    """

    strategy: str = "margin"
    k: str = "100"
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    order: str | None = None
    stochastic: str | None = None
    beta: float = 1.0
    per_class: int | None = None
    class_balance: bool = False
    dedup: bool = False
    dedup_threshold: float | None = None
    candidates: int | None = None
    audit: str = "0%"
    blind: bool = False
    gold: str = "0%"
    relabel: bool = False

    def __post_init__(self) -> None:
        share = read_share(self.k)
        if not (share or _NUMBER.fullmatch(self.k)) or self.budget(100) < 1 or (share or 0) > 1:
            raise UsageError(
                f"-k {self.k} is neither a number of images from 1 nor a share of the pool up to 100%",
                hint="-k 500, or -k 5%",
            )
        if read_share(self.audit) is None or self.audits(1_000_000) > 1_000_000:
            raise UsageError(f"--audit {self.audit} is not a share from 0% to 100%", hint="--audit 5%")
        if read_share(self.gold) is None or self.golds(1_000_000) > 1_000_000:
            raise UsageError(f"--gold {self.gold} is not a share from 0% to 100%", hint="--gold 5%")
        if self.relabel and self._of_unlabelled:
            raise UsageError(
                f"--relabel ranks labelled images too, {self._of_unlabelled} the unlabelled only"
            )
        if self.per_class is not None and self.per_class < 1:
            raise UsageError(f"--per-class {self.per_class} leaves nothing to select; it is at least 1")
        if self.dedup_threshold is not None and not 0 < self.dedup_threshold <= 1:
            raise UsageError(f"--dedup-threshold {self.dedup_threshold} is not a cosine above 0, up to 1")
        if self.candidates is not None and self.candidates < 1:
            raise UsageError(f"--candidates {self.candidates} leaves nothing to select; it is at least 1")

    @property
    def by_class(self) -> str:
        """The option that goes by predicted classes; empty for none."""
        return "--per-class" if self.per_class else "--class-balance" if self.class_balance else ""

    @property
    def _of_unlabelled(self) -> str:
        """The first option given that labelled images have no place in; empty for none."""
        given = {
            "--stochastic": self.stochastic,
            "--dedup": self.dedup,
            "--candidates": self.candidates,
            self.by_class: self.by_class,
        }
        return next((name for name, value in given.items() if value), "")

    def budget(self, queryable: int) -> int:
        """Return how many images are asked for; it may be more than `queryable`."""
        share = read_share(self.k)
        return int(self.k) if share is None else math.ceil(share * queryable)

    def audits(self, k: int) -> int:
        """Return how many of k images are drawn at random: at least 1 unless the share is 0."""
        return _at_least_one(self.audit, k)

    def golds(self, k: int) -> int:
        """Return how many gold rows go out beside k images: at least 1 unless the share is 0."""
        return _at_least_one(self.gold, k)

    def to_dict(self) -> dict[str, Any]:
        """Return what identifies the request, for the round's record; gold rows make it blind."""
        options = {name: str(value) for name, value in sorted(self.options.items())}
        return {**vars(self), "options": options, "blind": self.blind or bool(self.golds(1))}


def _at_least_one(share: str, k: int) -> int:
    """Return a share of k images: at least 1 unless either is 0."""
    wanted = read_share(share) or Fraction(0)
    return max(1, round(wanted * k)) if wanted and k else 0


def read_share(text: str) -> Fraction | None:
    """Read `5%` or `2.5%` exactly; None for anything else."""
    found = _PERCENT.fullmatch(text)
    return Fraction(found[1]) / 100 if found else None
