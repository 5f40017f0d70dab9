"""Which format a selection is written in."""

from __future__ import annotations

from pathlib import Path

import pytest
from alcli import exporters
from alcli.errors import UsageError


def test_every_file_is_a_format() -> None:
    assert exporters.names() == ["csv", "jsonl", "parquet"]


@pytest.mark.parametrize(
    ("path", "asked", "found"),
    [
        (Path("a.csv"), None, "csv"),
        (Path("a.JSONL"), None, "jsonl"),
        (Path("a.txt"), "parquet", "parquet"),
        (Path("a.csv"), "jsonl", "jsonl"),
        (None, None, "csv"),
    ],
)
def test_the_option_says_it_else_the_extension(path: Path | None, asked: str | None, found: str) -> None:
    assert exporters.format_of(path, asked) == found


def test_neither_says_it() -> None:
    with pytest.raises(UsageError, match=r"a\.txt names no format") as failure:
        exporters.format_of(Path("a.txt"), None)
    assert "csv|jsonl|parquet" in str(failure.value.hint)


def test_an_unknown_format_names_its_neighbours() -> None:
    with pytest.raises(UsageError, match="did you mean jsonl"):
        exporters.format_of(None, "json")
