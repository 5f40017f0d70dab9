"""The two big tables of a report, worked out: class balance over rounds, and right and wrong by class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alcli.reporting.page import Confusion, RoundLine

LEVELS = 8  # shades of a cell; the stylesheet knows as many
WIDEST = 50  # more classes than this are listed, not crossed: a million cells help nobody


@dataclass(frozen=True)
class Segment:
    """Part of a stacked bar, in percent of the longest bar; `kind` is `start`, `earlier` or `new`."""

    start: float
    width: float
    kind: str


@dataclass(frozen=True)
class BalanceRow:
    """A class: its bar, and its labels after each round with what the round brought (None in the first column)."""

    name: str
    segments: Sequence[Segment]
    cells: Sequence[tuple[int, int | None]]


@dataclass(frozen=True)
class Balance:
    """Labels by class after each round.

    Attributes:
        columns: Numbers of the rounds.
        rows: In class order.
        totals: Labels after each round.
        evenness: Entropy of the class shares over that of equal shares, by round: 1 means all classes have the
            same number of labels (Pielou 1966); None without labels or with one class.
    """

    columns: Sequence[int]
    rows: Sequence[BalanceRow]
    totals: Sequence[int]
    evenness: Sequence[float | None]


@dataclass(frozen=True)
class Cell:
    """A count; `level` says how dark it is, 0 to 8, `hit` whether it lies on the diagonal."""

    count: int
    level: int
    hit: bool


@dataclass(frozen=True)
class MatrixRow:
    """A true class.

    Attributes:
        name: Of the class.
        cells: By predicted class; empty where the matrix is too wide to show.
        total: Images of the class.
        right: Of these that were predicted right.
        recall: Their share; None without images.
        predicted: Images that were taken for the class.
        precision: Share of right ones among these; None without any.
        rival: The class it is most often taken for, with how often; None where it never is.
    """

    name: str
    cells: Sequence[Cell]
    total: int
    right: int
    recall: float | None
    predicted: int
    precision: float | None
    rival: tuple[str, int] | None


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix with its margins.

    Attributes:
        names: Of the classes.
        rows: By true class; the one with the most errors first where they are not crossed.
        total: Images.
        right: Images predicted right.
        mix_ups: True class, predicted class, images: the most frequent errors.
        crossed: Whether the rows have cells.
    """

    names: Sequence[str]
    rows: Sequence[MatrixRow]
    total: int
    right: int
    mix_ups: Sequence[tuple[str, str, int]]
    crossed: bool


def balance(rounds: Sequence[RoundLine], names: Sequence[str]) -> Balance | None:
    """Lay out labels by class over rounds.

    Args:
        rounds: Oldest first.
        names: Class names, in the order of `RoundLine.classes`.

    Returns:
        The table; None without classes, rounds or labels.
    """
    counts = [_padded(line.classes, len(names)) for line in rounds]
    longest = max((max(row, default=0) for row in counts), default=0)
    if not longest:
        return None
    rows = []
    for code, name in enumerate(names):
        series = [row[code] for row in counts]
        before = [None, *series[:-1]]
        cells = [(now, None if was is None else now - was) for now, was in zip(series, before, strict=True)]
        rows.append(BalanceRow(name, _segments(series, longest), cells))
    return Balance(
        columns=[line.number for line in rounds],
        rows=rows,
        totals=[sum(row) for row in counts],
        evenness=[_evenness(row) for row in counts],
    )


def matrix(confusion: Confusion) -> Matrix:
    """Work out margins, shares and the most frequent errors of a confusion matrix.

    Args:
        confusion: Of c classes.

    Returns:
        The matrix; cells are shaded by their share of the row, so that rare classes show too. Of very many classes
        there are no cells, and those with the most errors come first.
    """
    names = confusion.names
    crossed = len(names) <= WIDEST
    taken_for: list[dict[int, int]] = [{} for _ in names]
    totals = [0] * len(names)
    for (code, other), count in confusion.counts.items():
        taken_for[code][other] = count
        totals[other] += count
    errors = [
        (names[code], names[other], count)
        for code, row in enumerate(taken_for)
        for other, count in sorted(row.items())
        if other != code
    ]
    rows = [_row(code, names, row, totals[code], crossed=crossed) for code, row in enumerate(taken_for)]
    return Matrix(
        names=names,
        rows=rows if crossed else sorted(rows, key=lambda row: row.right - row.total),
        total=sum(totals),
        right=sum(row.right for row in rows),
        mix_ups=sorted(errors, key=lambda error: -error[2])[:8],
        crossed=crossed,
    )


def _row(
    code: int, names: Sequence[str], taken_for: Mapping[int, int], predicted: int, *, crossed: bool
) -> MatrixRow:
    total, right = sum(taken_for.values()), taken_for.get(code, 0)
    counts = [taken_for.get(column, 0) for column in range(len(names))] if crossed else []
    cells = [
        Cell(count, math.ceil(LEVELS * count / total) if total else 0, column == code)
        for column, count in enumerate(counts)
    ]
    wrong = [(count, -column) for column, count in taken_for.items() if column != code]
    most, place = max(wrong, default=(0, 0))
    return MatrixRow(
        name=names[code],
        cells=cells,
        total=total,
        right=right,
        recall=_share(right, total),
        predicted=predicted,
        precision=_share(right, predicted),
        rival=(names[-place], most) if wrong else None,
    )


def _segments(series: Sequence[int], longest: int) -> list[Segment]:
    segments = []
    drawn = 0
    for index, count in enumerate(series):
        # Labels that were taken back leave no gap: only what goes beyond the bar so far is drawn.
        if count <= drawn:
            continue
        kind = "start" if index == 0 else "new" if index == len(series) - 1 else "earlier"
        segments.append(Segment(100 * drawn / longest, 100 * (count - drawn) / longest, kind))
        drawn = count
    return segments


def _padded(classes: Sequence[int], length: int) -> list[int]:
    """Return counts of `length` classes: a round may be older than the newest class."""
    return [*classes, *[0] * (length - len(classes))][:length]


def _evenness(counts: Sequence[int]) -> float | None:
    total = sum(counts)
    if not total or len(counts) < 2:
        return None
    shares = [count / total for count in counts if count]
    entropy = -sum(share * math.log(share) for share in shares)
    return abs(entropy) / math.log(len(counts))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
