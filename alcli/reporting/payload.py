"""What the script of a report works on: rows instead of markup, so that a card costs little more than its picture."""

from __future__ import annotations

import math
from typing import Any

from alcli.reporting.page import Card, Map, Page, Sheet

GRID = 9_999  # places of the map across and down: finer than any screen


def payload(page: Page) -> dict[str, Any]:
    """Gather the data of contact sheet and map.

    Args:
        page: The report.

    Returns:
        Values for JSON; `sheet` and `map` are None where the page has none. The order of a card's fields is that
        of `Card`, which the script names again (`FIELDS`).
    """
    return {
        "sheet": _sheet(page.sheet) if page.sheet is not None else None,
        "map": _map(page.map) if page.map is not None else None,
    }


def _sheet(sheet: Sheet) -> dict[str, Any]:
    return {
        "cards": [_card(card) for card in sheet.cards],
        "neighbours": [_card(card) for card in sheet.neighbours.values()],
    }


def _card(card: Card) -> list[Any]:
    return [
        card.file_name,
        card.link,
        card.thumbnail,
        card.rank,
        _number(card.score),
        card.predicted,
        _number(card.confidence),
        card.reason,
        card.label,
        card.nearest,
        list(card.duplicates),
    ]


def _map(points: Map) -> dict[str, Any]:
    return {
        "x": [_place(value) for value in points.x],
        "y": [_place(value) for value in points.y],
        "grid": GRID,
        "classes": [int(code) for code in points.classes],
        "kinds": "".join(points.kinds),
        "fileNames": list(points.file_names),
        "names": list(points.names),
        "thumbnails": {str(index): url for index, url in points.thumbnails.items()},
    }


def _number(value: float | None) -> float | None:
    """Return six digits of a number; JSON has no infinity and no NaN, so these become None."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")


def _place(value: float) -> int:
    return round(GRID * min(max(value, 0.0), 1.0))
