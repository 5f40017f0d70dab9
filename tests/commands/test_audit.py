"""`alcli audit` and `import-labels --check`: files, standard output, standard error and exit codes."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from alcli.main import app
from typer.testing import CliRunner, Result

from tests.digit_pools import Digits, N

Build = Callable[..., Digits]
Snapshot = Callable[[Path], dict[str, bytes]]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_recorded_file_is_the_one_line_on_standard_output(digits: Build) -> None:
    pool = digits(0.2)
    done = run("audit", pool.project.pool)
    assert (done.exit_code, done.stdout) == (0, f"{pool.project.audits / '0001' / 'suspects.csv'}\n")
    assert f"of {N} labels are suspects by confident-learning" in done.stderr
    assert "estimated error rate" in done.stderr
    assert "95 % interval" in done.stderr


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_output_takes_its_format_from_the_extension(digits: Build, tmp_path: Path, name: str) -> None:
    pool = digits(0.2)
    done = run("audit", pool.project.pool, "-m", "rad-active", "--oracle-budget", "2", "-o", tmp_path / name)
    assert (done.exit_code, done.stdout) == (0, "")
    read = {
        "csv": pd.read_csv,
        "jsonl": lambda path: pd.read_json(path, lines=True),
        "parquet": pd.read_parquet,
    }
    frame = read[name.split(".")[1]](tmp_path / name)
    assert frame["rank"].tolist() == list(range(1, len(frame) + 1))
    assert set(frame["decision"]) <= {"ask", "drop", "relabel"}
    assert set(frame["method"]) == {"rad-active"}


def test_the_list_on_standard_output_and_the_summary(digits: Build) -> None:
    pool = digits(0.2)
    listed = run("audit", pool.project.pool, "-o", "-")
    rows = list(csv.DictReader(io.StringIO(listed.stdout)))
    summary = json.loads(run("audit", pool.project.pool, "--json").stdout)
    assert summary["schema"] == "alcli/audit/1"
    assert (summary["labels"], summary["suspects"]) == (N, len(rows))
    assert summary["errors"]["overall"]["n"] == N
    assert run("audit", pool.project.pool, "-o", "-", "--json").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--method", "guess"], 2, "guess"),
        (["--method", "rad", "--oracle-budget", "3"], 2, "asks nobody"),
        (["--oracle-budget", "-1"], 2, "budget"),
        (["-o", "list.xyz"], 2, "names no format"),
    ],
)
def test_what_cannot_be_asked(digits: Build, arguments: list[str], code: int, told: str) -> None:
    pool = digits(0)
    done = run("audit", pool.project.pool, *arguments)
    assert done.exit_code == code
    assert told in done.stderr
    assert not pool.project.audits.exists()


def test_without_a_manifest_or_a_model(image_folder: Path) -> None:
    assert run("audit", image_folder).exit_code == 3
    assert run("init", image_folder).exit_code == 0
    done = run("audit", image_folder)
    assert done.exit_code == 3
    assert "alcli train" in done.stderr


# import-labels --check


@pytest.fixture
def delivery(digits: Build, tmp_path: Path) -> tuple[Digits, Path]:
    pool = digits(0.3, labelled=range(120), clean=range(120))
    pool.learned(np.arange(120))
    path = tmp_path / "returned.csv"
    rows = [f"img-{row:04d}.jpg,class-{pool.given[row]}\n" for row in range(120, N)]
    path.write_text("file_name,label\n" + "".join(rows))
    return pool, path


def test_a_bad_delivery_is_refused_with_5(
    delivery: tuple[Digits, Path], snapshot: Snapshot, tmp_path: Path
) -> None:
    pool, path = delivery
    before = snapshot(pool.project.state)
    quality = tmp_path / "quality.json"
    checked = ["--check", "confident-learning", "--max-error", "5%", "--quality-report", quality]
    done = run("import-labels", path, pool.project.pool, *checked)
    assert done.exit_code == 5
    assert "nothing was imported" in done.stderr
    assert "estimated error rate" in done.stderr
    assert "--relabel-list" in done.stderr
    assert snapshot(pool.project.state) == before
    assert not json.loads(quality.read_text())["gate"]["passed"]


def test_a_delivery_is_judged_and_taken(delivery: tuple[Digits, Path], tmp_path: Path) -> None:
    pool, path = delivery
    checked = [
        "--check",
        "rad-active",
        "--oracle-budget",
        "4",
        "--relabel-list",
        tmp_path / "again.csv",
        "--json",
    ]
    done = run("import-labels", path, pool.project.pool, *checked)
    assert done.exit_code == 0
    summary = json.loads(done.stdout)
    assert summary["quality"]["decisions"]["ask"] <= 4
    assert summary["labelled"] == 180 - summary["quality"]["left_out"]
    assert "pseudo-label" in done.stderr
    again = list(csv.DictReader((tmp_path / "again.csv").read_text().splitlines()))
    assert [row["file_name"] for row in again] == summary["quality"]["relabel"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--max-error", "5%"], "--max-error goes with --check"),
        (["--quality-report", "q.json"], "--quality-report goes with --check"),
        (["--drop-suspects"], "--drop-suspects goes with --check"),
        (["--oracle-budget", "0"], "--oracle-budget goes with --check"),
        (["--check", "rad", "--max-error", "110%"], "not a share"),
        (["--check", "guess"], "guess"),
    ],
)
def test_contradictions_are_refused_with_2(
    delivery: tuple[Digits, Path], snapshot: Snapshot, arguments: list[str], told: str
) -> None:
    pool, path = delivery
    before = snapshot(pool.project.state)
    done = run("import-labels", path, pool.project.pool, *arguments)
    assert done.exit_code == 2
    assert told in done.stderr
    assert snapshot(pool.project.state) == before


def test_alclis_own_files_are_not_written_over(delivery: tuple[Digits, Path]) -> None:
    pool, path = delivery
    done = run(
        "import-labels", path, pool.project.pool, "--check", "rad", "--quality-report", pool.project.manifest
    )
    assert done.exit_code == 2
    assert "alcli's own files" in done.stderr


def test_other_commands_import_no_cleanlab() -> None:
    program = "import sys; import alcli.commands.audit, alcli.auditing, alcli.labelling; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"cleanlab", "pandas", "sklearn", "torch"}.isdisjoint(
        name.split(".")[0] for name in done.stdout.split()
    )
