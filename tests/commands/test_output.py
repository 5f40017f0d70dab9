"""Where a command may write: never over its own input, another output, or what alcli keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from alcli.main import app
from alcli.project import Project
from typer.testing import CliRunner, Result

Snapshot = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def there(scored_pool: Callable[..., Project], tmp_path: Path) -> Path:
    """A folder with a pool, `scored`, and the file `labels.csv` that came back."""
    scored_pool(np.random.default_rng(0).dirichlet(np.ones(2), 20), labels={0: "class-0", 1: "class-1"})
    rows = "".join(f"img-{row:04d}.jpg,class-0\n" for row in range(2, 8))
    (tmp_path / "labels.csv").write_text(f"file_name,label\n{rows}")
    (tmp_path / "link.csv").symlink_to(tmp_path / "labels.csv")
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    return tmp_path


def run(there: Path, *arguments: str) -> Result:
    given = [text.format(there=there, pool=there / "scored") for text in arguments]
    return CliRunner().invoke(app, [*given, str(there / "scored")])


TAKE = ["import-labels", "{there}/labels.csv"]
JUDGE = [*TAKE, "--check", "confident-learning"]
OWN = "is one of alcli's own files"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([*TAKE, "-n", "--report", "{pool}/.alcli/journal.jsonl"], OWN),
        ([*TAKE, "--report", "{pool}/.alcli/journal.jsonl"], OWN),
        ([*JUDGE, "--quality-report", "{pool}/.alcli/summary.json"], OWN),
        ([*JUDGE, "--relabel-list", "{pool}/metadata.parquet"], OWN),
        (["audit", "-o", "{pool}/.alcli/new.csv"], OWN),
        (["report", "-o", "{there}/r.html", "--map-picture", "{pool}/.alcli/map.png"], OWN),
        (["report", "-o", "{pool}/.alcli/report.html"], OWN),
        (["simulate", "-m", "margin", "-o", "{pool}/metadata.parquet"], OWN),
        (["simulate", "-m", "margin", "--plot", "labels={pool}/.alcli/bars.png"], OWN),
        ([*TAKE, "--report", "{there}/labels.csv"], "labels.csv is the same file as LABELS"),
        ([*TAKE, "--report", "{there}/scored/../labels.csv"], "is the same file as LABELS"),
        ([*TAKE, "--report", "{there}/link.csv"], "is the same file as LABELS"),
        ([*JUDGE, "--quality-report", "{there}/labels.csv"], "is the same file as LABELS"),
        ([*JUDGE, "-n", "--relabel-list", "{there}/labels.csv"], "is the same file as LABELS"),
        (
            [*JUDGE, "--report", "{there}/new.csv", "--relabel-list", "{there}/new.csv"],
            "new.csv is the same file as --report",
        ),
        (
            ["simulate", "--plot", "{there}/a.png", "--plot", "labels={there}/a.png"],
            "a.png is the same file as --plot",
        ),
        (
            ["simulate", "--weights", "{there}/weights.safetensors", "-o", "{there}/weights.safetensors"],
            "is the same file as --weights",
        ),
        (
            ["simulate", "--label-noise", "9%", "--noise-model", "{there}/labels.csv", "-o", "{there}/link.csv"],
            "is the same file as --noise-model",
        ),
        ([*JUDGE, "--quality-report", "-"], "--quality-report -: this is written to a file only"),
        ([*JUDGE, "--relabel-list", "-"], "--relabel-list -: this is written to a file only"),
        ([*TAKE, "--report", "-"], "--report -: this is written to a file only"),
        (["report", "-o", "-"], "--output -: this is written to a file only"),
        (["simulate", "-o", "-"], "--output -: this is written to a file only"),
        ([*TAKE, "--report", "{pool}"], "is a folder"),
    ],
)  # fmt: skip
def test_an_output_that_would_replace_something_is_refused(
    there: Path, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(there)
    before = snapshot(there)
    done = run(there, *arguments)
    assert done.exit_code == 2, done.stderr
    assert told in done.stderr
    assert (done.stdout, snapshot(there)) == ("", before)


def test_a_dry_run_writes_the_reports_and_changes_nothing_else(there: Path, snapshot: Snapshot) -> None:
    before = snapshot(there / "scored")
    (there / "labels.csv").write_text("file_name,label\nno.jpg,class-0\n")
    done = run(there, *TAKE, "-n", "--report", "{there}/problems.csv")
    assert (done.exit_code, snapshot(there / "scored")) == (5, before)
    assert "no.jpg,unknown image" in (there / "problems.csv").read_text()


def test_a_report_may_be_written_again(there: Path) -> None:
    (there / "labels.csv").write_text("file_name,label\nno.jpg,class-0\n")
    for _ in range(2):
        assert run(there, *TAKE, "--report", "{there}/problems.csv").exit_code == 5
