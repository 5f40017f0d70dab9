"""What `select` is told, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from alcli.images.album import Decoders


@dataclass(frozen=True)
class SelectionReport:
    """What `select` chose, or had chosen.

    Attributes:
        round: The round's number.
        path: The recorded list, a CSV file.
        table: The selection as whoever labels sees it, with the columns of `alcli.rounds.COLUMNS`.
        strategy: The strategy's name.
        because: Why `auto` chose it.
        order: Which order ran, where the strategy has two.
        images: Images selected.
        audit: How many of them were drawn at random.
        queryable: Images that could be chosen from.
        withdrawn: Images that `replace` took back.
        replaced: Rounds that these were of.
        stepped_back: Images passed over as duplicates of others.
        quality: Figures that judge the batch as a whole.
        approximations: What was not computed exactly, in words.
        repeated: Whether this is an open round's recorded selection.
        gold: Images whose label is known, sent beside those selected.
        again: Of those selected, how many have a label and are to be labelled again.
        expired: Pseudo-labels of CEAL that went with the round before.
    """

    round: int
    path: Path
    table: pa.Table
    strategy: str
    because: str | None
    order: str | None
    images: int
    audit: int
    queryable: int
    withdrawn: int = 0
    replaced: Sequence[int] = ()
    stepped_back: int = 0
    quality: Mapping[str, Any] = field(default_factory=dict)
    approximations: Sequence[str] = ()
    repeated: bool = False
    gold: int = 0
    again: int = 0
    expired: int = 0


@dataclass(frozen=True)
class Settings:
    """How to select, beside what to select.

    Attributes:
        add: Select a further batch while a round is open.
        replace: Withdraw what is out and select anew.
        csv_safe: Quote cells of the recorded CSV that a spreadsheet would run.
        dry_run: Choose, but write nothing.
        device: Where to score, if images must be scored first, and where strategies compute that can use it.
        workers: Decoding processes for that, None for one per core; or an album of the images.
    """

    add: bool = False
    replace: bool = False
    csv_safe: bool = True
    dry_run: bool = False
    device: str = "auto"
    workers: Decoders = None


DEFAULTS = Settings()
