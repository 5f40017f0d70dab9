"""Cells that a spreadsheet would run, and how they are kept from it."""

from __future__ import annotations

import re

# Spreadsheets run a cell that starts so. Apostrophes before it count, so that quoting can be undone exactly.
_RUNS = re.compile(r"'*[=+\-@\t\r]")


def spreadsheet_safe(text: str) -> str:
    """Return `text` so that a spreadsheet shows it instead of running it; `spreadsheet_unsafe` undoes it."""
    return f"'{text}" if _RUNS.match(text) else text


def spreadsheet_unsafe(text: str) -> str:
    """Return what `spreadsheet_safe` was given."""
    return text[1:] if text.startswith("'") and _RUNS.match(text) else text
