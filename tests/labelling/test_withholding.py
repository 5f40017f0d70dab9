"""What a check does not take as a label, and what it leaves alone, as somebody meets it on the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alcli import ledger, summary
from alcli.main import app
from typer.testing import CliRunner, Result

from tests.digit_pools import Digits, N

Build = Callable[..., Digits]
Snapshot = Callable[[Path], dict[str, bytes]]
THERE = range(120)
SLIM = ("--check", "rad-slim", "--drop-suspects")
VOTING = ("--check", "rad-voting")


@pytest.fixture
def pool(digits: Build) -> Digits:
    """120 labels are there; of the others people get one in five wrong, as the model does now and then."""
    made = digits(0.2, labelled=THERE, clean=THERE)
    made.learned(np.array(THERE))
    return made


def run(pool: Digits, command: str, *arguments: object) -> Result:
    done = CliRunner().invoke(app, [command, *map(str, arguments), str(pool.project.pool)])
    assert done.exit_code == 0, done.stderr
    return done


def told(pool: Digits, command: str, *arguments: object) -> Any:
    return json.loads(run(pool, command, "--json", *arguments).stdout)


def sent(pool: Digits, path: Path, *how: object) -> list[int]:
    """Select, answer as people do, and return the rows."""
    run(pool, "select", *how, "-o", path)
    with path.open(newline="") as file:
        rows = [int(entry["file_name"][4:8]) for entry in csv.DictReader(file)]
    return answered(pool, path, rows)


def answered(pool: Digits, path: Path, rows: list[int]) -> list[int]:
    """Write a file that answers as people do."""
    with path.open("w", newline="") as file:
        answers = [(f"img-{row:04d}.jpg", f"class-{pool.given[row]}") for row in rows]
        csv.writer(file).writerows([("file_name", "label"), *answers])
    return rows


def as_guessed(pool: Digits, rows: list[int]) -> int:
    """Count the answers that the model had guessed."""
    return int((pool.probabilities.argmax(axis=1) == pool.given)[rows].sum())


def labelled(pool: Digits) -> set[int]:
    return set(np.flatnonzero(ledger.read(pool.project).labelled).tolist())


@pytest.mark.parametrize("check", [SLIM, VOTING])
def test_a_check_takes_nothing_from_an_audit(pool: Digits, tmp_path: Path, check: tuple[str, ...]) -> None:
    path = tmp_path / "b.csv"
    rows = sent(pool, path, "-s", "random", "-k", 150, "--audit", "100%")
    done = run(pool, "import-labels", path, *check, "--quality-report", tmp_path / "q.json")
    quality = json.loads((tmp_path / "q.json").read_text())
    assert quality["audited"] > 10
    assert (quality["left_out"], quality["pseudo_labelled"], quality["labelled_before"]) == (0, 0, 0)
    assert f"{quality['audited']} suspects are labels all the same: an audit asked" in done.stderr
    assert labelled(pool) == {*THERE, *rows}
    (audit,) = summary.read(pool.project)["audits"]
    assert (audit["n"], audit["correct"]) == (150, as_guessed(pool, rows))
    assert f"{audit['correct']} of 150 right" in run(pool, "status").stdout


def test_only_the_audit_is_spared(pool: Digits, tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    rows = sent(pool, path, "-s", "margin", "-k", 120, "--audit", "50%")
    record = json.loads((pool.project.round_folder(1) / "selection.json").read_text())
    ids = ledger.read(pool.project).strings("alcli_id")
    drawn = {ids.index(entry["alcli_id"]) for entry in record["audit"]}
    quality = told(pool, "import-labels", path, *SLIM)["quality"]
    assert quality["left_out"] > 5
    assert quality["audited"] > 5
    assert drawn <= labelled(pool)
    assert len({*rows} - labelled(pool)) == quality["left_out"]
    (audit,) = summary.read(pool.project)["audits"]
    assert (audit["n"], audit["correct"]) == (60, as_guessed(pool, sorted(drawn)))


def test_correcting_an_audit_mends_its_estimate(pool: Digits, tmp_path: Path) -> None:
    """The corrections come in a later round, by a file and with a check: they are taken as they are."""
    path = tmp_path / "b.csv"
    rows = sent(pool, path, "-s", "random", "-k", 60, "--audit", "100%")
    run(pool, "import-labels", path)
    sent(pool, tmp_path / "next.csv", "-s", "margin", "-k", 20)
    pool.given[rows] = pool.truth[rows]
    answered(pool, path, rows)
    run(pool, "import-labels", path, "--on-conflict", "replace", *VOTING)
    (audit,) = summary.read(pool.project)["audits"]
    assert (audit["n"], audit["correct"]) == (60, as_guessed(pool, rows))
    labels = ledger.read(pool.project).label_codes
    assert (labels[rows] == pool.truth[rows]).all()


@pytest.mark.parametrize("check", [SLIM, VOTING])
def test_a_check_does_not_make_the_batch_look_easy(
    pool: Digits, tmp_path: Path, check: tuple[str, ...], snapshot: Snapshot
) -> None:
    path = tmp_path / "b.csv"
    rows = sent(pool, path, "-s", "margin", "-k", 60)
    quality = told(pool, "import-labels", path, *check)["quality"]
    assert quality["left_out"] > 5
    batch = {"round": 1, "n": 60, "correct": as_guessed(pool, rows)}
    assert summary.read(pool.project)["batch"] == batch
    rule = told(pool, "status")["stopping"]["rules"][-1]
    assert (rule["name"], rule["value"]) == ("batch-accuracy", pytest.approx(batch["correct"] / 60))
    state = snapshot(pool.project.state)
    assert "nothing changed" in run(pool, "import-labels", path, *check).stderr
    assert snapshot(pool.project.state) == state
    run(pool, "undo")
    assert summary.read(pool.project)["batch"] is None


def test_what_a_check_withheld_of_a_delivery_that_was_undone_is_gone(pool: Digits, tmp_path: Path) -> None:
    """Of the images that it had answered, those in doubt are declined the next time."""
    path = tmp_path / "b.csv"
    rows = sent(pool, path, "-s", "margin", "-k", 60)
    run(pool, "import-labels", path, *SLIM)
    doubted = {*rows} - labelled(pool)
    assert len(doubted) > 5
    run(pool, "undo")
    with path.open("w", newline="") as file:
        said = [(f"img-{row:04d}.jpg", f"class-{pool.given[row]}", row in doubted) for row in rows]
        head = ("file_name", "label", "skipped", "annotator")
        csv.writer(file).writerows([head, *((*answer, "ann") for answer in said)])
    run(pool, "import-labels", path)
    kept = sorted({*rows} - doubted)
    assert summary.read(pool.project)["batch"] == {
        "round": 1,
        "n": len(kept),
        "correct": as_guessed(pool, kept),
    }


@pytest.mark.parametrize("check", [SLIM, VOTING])
def test_labels_that_were_there_stay(
    pool: Digits, tmp_path: Path, check: tuple[str, ...], snapshot: Snapshot
) -> None:
    path = tmp_path / "b.csv"
    rows = sent(pool, path, "-s", "random", "-k", 60)
    run(pool, "import-labels", path)
    state = snapshot(pool.project.state)
    done = run(pool, "import-labels", path, *check, "--quality-report", tmp_path / "q.json")
    quality = json.loads((tmp_path / "q.json").read_text())
    assert (quality["left_out"], quality["audited"]) == (0, 0)
    assert quality["labelled_before"] > 5
    assert "nothing changed; 60 had this label already" in done.stderr
    assert "not taken" not in done.stderr
    assert f"{quality['labelled_before']} suspects were labels before and stay" in done.stderr
    assert "--on-conflict replace" in done.stderr
    assert snapshot(pool.project.state) == state
    assert labelled(pool) == {*THERE, *rows}


def test_what_was_asked_for_is_written_for_a_file_without_an_answer(pool: Digits, tmp_path: Path) -> None:
    path, report, listing = tmp_path / "b.csv", tmp_path / "q.json", tmp_path / "again.csv"
    path.write_text("file_name,label\n" + "".join(f"img-{row:04d}.jpg,\n" for row in range(150, N)))
    report.write_text('{"gate": {"passed": true, "max_error": 0.3}}')
    listing.write_text("what was there\n")
    wanted = ("--quality-report", report, "--relabel-list", listing)
    done = run(pool, "import-labels", path, "--check", "confident-learning", "--max-error", "0%", *wanted)
    assert "nothing changed" in done.stderr
    quality = json.loads(report.read_text())
    assert (quality["labels"], quality["suspects"], quality["errors"]["overall"]["n"]) == (0, [], 0)
    assert (quality["gate"]["passed"], quality["gate"]["rate"], quality["gate"]["max_error"]) == (
        True,
        None,
        0,
    )
    assert listing.read_text().splitlines() == ["rank,alcli_id,file_name,label"]
