"""Gold rows and a check together, as somebody meets them who sends images to a vendor."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from alcli import ledger
from alcli.main import app
from typer.testing import CliRunner, Result

from tests.digit_pools import Digits

Build = Callable[..., Digits]
Snapshot = Callable[[Path], dict[str, bytes]]
THERE = range(120)
LIMIT = "10%"


@pytest.fixture
def pool(digits: Build) -> Digits:
    """120 labels are there, all of them right; the model learned from these."""
    made = digits(0, labelled=THERE)
    made.learned(np.array(THERE))
    return made


def run(pool: Digits, command: str, *arguments: object) -> Result:
    return CliRunner().invoke(app, [command, *map(str, arguments), str(pool.project.pool)])


def sent_out(pool: Digits, folder: Path) -> list[str]:
    """Send 120 images and 24 gold rows out through the command line, and return their file names."""
    listing = folder / "round.csv"
    done = run(pool, "select", "--strategy", "random", "-k", 120, "--gold", "20%", "--blind", "-o", listing)
    assert done.exit_code == 0, done.stderr
    with listing.open(newline="") as file:
        return [row["file_name"] for row in csv.DictReader(file)]


def delivery(pool: Digits, names: list[str], path: Path, *, bob_errs: float) -> Path:
    """Ann answers every second image, bob the others, and both the gold rows; bob is wrong that often."""
    rng = np.random.default_rng(3)
    labelled = ledger.read(pool.project).labelled
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "label", "annotator"])
        for number, name in enumerate(names):
            row = int(name[4:8])
            for who in ("ann", "bob") if labelled[row] else (("ann", "bob")[number % 2],):
                wrong = who == "bob" and rng.random() < bob_errs
                writer.writerow([name, f"class-{(pool.truth[row] + wrong * rng.integers(1, 10)) % 10}", who])
    return path


def brought(pool: Digits, path: Path, report: Path, *more: str) -> Result:
    how = ["--check", "confident-learning", "--max-error", LIMIT, "--quality-report", report]
    return run(pool, "import-labels", path, *how, *more)


def test_a_bad_delivery_is_refused_and_a_better_one_taken(
    pool: Digits, tmp_path: Path, snapshot: Snapshot
) -> None:
    names = sent_out(pool, tmp_path)
    assert len(names) == 144
    before, state = pool.project.manifest.read_bytes(), snapshot(pool.project.state)
    report = tmp_path / "quality.json"

    bad = brought(pool, delivery(pool, names, tmp_path / "bad.csv", bob_errs=0.7), report)
    assert bad.exit_code == 5
    assert "more than --max-error 10%; nothing was imported" in bad.stderr
    assert pool.project.manifest.read_bytes() == before
    assert snapshot(pool.project.state) == state
    told = json.loads(report.read_text())
    assert told["gate"]["by"] == "gold rows"
    assert not told["gate"]["passed"]
    agreed = {one["annotator"]: one for one in told["gold_by_annotator"]}
    assert agreed["ann"]["wrong"] == 0
    assert agreed["bob"]["n"] == 24
    assert agreed["bob"]["low"] > 0.3
    lines = bad.stderr.splitlines()
    gold = next(at for at, line in enumerate(lines) if "wrong answers to gold rows" in line)
    assert lines[gold + 1].startswith("    annotator bob: ")  # whoever errs most stands first

    good = delivery(pool, names, tmp_path / "good.csv", bob_errs=0.02)
    done = brought(pool, good, report)
    assert done.exit_code == 0, done.stderr
    assert "labelled 120 images" in done.stderr
    assert "annotator ann: 0.0% (0 of 24; " in done.stderr
    assert json.loads(report.read_text())["gate"]["passed"]
    manifest = ledger.read(pool.project)
    labels = manifest.strings("label")
    assert all(labels[row] == f"class-{pool.truth[row]}" for row in THERE)  # gold answers change none
    assert manifest.open_rounds == []

    state = snapshot(pool.project.state)
    again = brought(pool, good, report)
    assert again.exit_code == 0, again.stderr
    assert "nothing changed" in again.stderr
    assert snapshot(pool.project.state) == state


def test_latest_judges_people_by_what_they_said_last(pool: Digits, tmp_path: Path) -> None:
    """Bob gets every gold row wrong at first, and none in the end."""
    names = sent_out(pool, tmp_path)
    labelled = ledger.read(pool.project).labelled
    path, report = tmp_path / "corrected.csv", tmp_path / "quality.json"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "label", "annotator", "labelled_at"])
        for name in names:
            row = int(name[4:8])
            for hour in (10, 11) if labelled[row] else (11,):
                label = f"class-{(pool.truth[row] + 11 - hour) % 10}"
                writer.writerow([name, label, "bob", f"2026-01-01T{hour}:00"])
    done = brought(pool, path, report, "--resolve", "latest", "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "annotator bob: 0.0% (0 of 24; " in done.stderr
    assert json.loads(report.read_text())["gold"]["wrong"] == 0


def test_a_comma_makes_no_two_people_of_one(pool: Digits, tmp_path: Path) -> None:
    """Doe and Roe are both called John; both answer every fourth image, and one of them each of the others."""
    names = [
        name for name in sent_out(pool, tmp_path) if not ledger.read(pool.project).labelled[int(name[4:8])]
    ]
    path, report = tmp_path / "commas.csv", tmp_path / "quality.json"
    people = ("Doe, John", "Roe, John")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "label", "annotator"])
        for number, name in enumerate(names):
            for who in people if number % 4 == 0 else (people[number % 2],):
                writer.writerow([name, f"class-{pool.truth[int(name[4:8])]}", who])
    answered = {"Doe, John": 60, "Roe, John": 90}  # of 120: the even ones; the odd ones and every fourth
    done = brought(pool, path, report)
    assert done.exit_code == 0, done.stderr
    found = json.loads(report.read_text())["errors"]["by_annotator"]
    assert {name: rate["n"] for name, rate in found.items()} == answered
    assert "Doe, John, Roe, John" in ledger.read(pool.project).strings("annotator")  # for people to read
    audited = run(pool, "audit", "--json")
    assert audited.exit_code == 0, audited.stderr
    assert json.loads(audited.stdout)["errors"]["by_annotator"] == found
    page = tmp_path / "page.html"
    assert run(pool, "report", "-o", page, "--map", "none").exit_code == 0
    assert all(name in page.read_text() for name in people)


def test_an_audit_afterwards_finds_what_was_let_through(pool: Digits, tmp_path: Path) -> None:
    """Nobody set a limit: bob's labels are there, and the audit names him."""
    names = sent_out(pool, tmp_path)
    path = delivery(pool, names, tmp_path / "bad.csv", bob_errs=0.7)
    assert run(pool, "import-labels", path).exit_code == 0
    done = run(pool, "audit", "--json")
    assert done.exit_code == 0, done.stderr
    by_annotator = json.loads(done.stdout)["errors"]["by_annotator"]
    assert by_annotator["bob"]["low"] > 0.4
    assert by_annotator["ann"]["high"] < 0.2
