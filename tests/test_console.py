"""What people see: plain lines where there is no terminal, text as text, the first ten of many things."""

from __future__ import annotations

import logging

import pytest
from alcli import console
from alcli.errors import InputRejected


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that tests set by hand."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_progress_without_a_terminal_is_a_line_every_30_seconds(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    console.listen(quiet=False, verbose=False)
    with console.progress("scoring", 100) as advance:
        for second in range(0, 100, 5):
            clock[0] = float(second)
            advance(5, "2 unreadable")
    assert capsys.readouterr().err.splitlines() == [
        "scoring: 35 of 100, 56 s left, 2 unreadable",
        "scoring: 65 of 100, 32 s left, 2 unreadable",
        "scoring: 95 of 100, 5 s left, 2 unreadable",
    ]


def test_time_left_does_not_count_what_was_done_before(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """10 units in 30 seconds, and 30 are left; 60 are of an earlier run."""
    console.listen(quiet=False, verbose=False)
    with console.progress("simulating", 100, 60) as advance:
        clock[0] = 30.0
        advance(0, "nothing new")
        advance(10)
    assert capsys.readouterr().err.splitlines() == ["simulating: 70 of 100, 90 s left"]


def test_quiet_shows_no_progress_and_no_notes(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    console.listen(quiet=True, verbose=False)
    with console.progress("scoring", 10) as advance:
        clock[0] = 99.0
        advance(5)
    logging.getLogger("alcli").info("a note")
    logging.getLogger("alcli").warning("a warning")
    assert capsys.readouterr().err == "warning: a warning\n"


def test_verbose_shows_details(capsys: pytest.CaptureFixture[str]) -> None:
    console.listen(quiet=False, verbose=True)
    logging.getLogger("alcli").debug("a detail")
    assert capsys.readouterr().err == "a detail\n"


def test_a_failure_names_the_first_ten_and_counts_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    console.error(
        InputRejected("12 rows are bad", hint="alcli undo", details=[f"line {n}: [red]" for n in range(12)])
    )
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: 12 rows are bad"
    assert lines[1] == "  line 0: [red]"
    assert lines[-2:] == ["  … and 2 more", "hint: alcli undo"]
    assert len(lines) == 13


def test_tables_show_names_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    console.table("accuracy [bold]", ["round", "labels"], [["a[0].png", "50"]])
    shown = capsys.readouterr().err
    assert "a[0].png" in shown
    assert "50" in shown
