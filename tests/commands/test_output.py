"""Where a command may write: never over its own input, another output, or what alcli keeps."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
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
    for name in ("pipe.html", "pipe.png", "pipe.parquet"):
        os.mkfifo(tmp_path / name)
    os.mknod(tmp_path / "socket.csv", stat.S_IFSOCK | 0o600)
    return tmp_path


def run(there: Path, *arguments: str) -> Result:
    given = [text.format(there=there, pool=there / "scored") for text in arguments]
    return CliRunner().invoke(app, [*given, str(there / "scored")])


TAKE = ["import-labels", "{there}/labels.csv"]
JUDGE = [*TAKE, "--check", "confident-learning"]
OWN = "is one of alcli's own files"
LONG = "n" * 252  # with an extension it is one byte longer than a name may be


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
        (["select", "-o", "{there}/labels.csv/new.csv"], "labels.csv is not a folder"),
        (["select", "-o", "{there}/labels.csv/new/new.csv"], "labels.csv is not a folder"),
        (["audit", "-o", "{there}/labels.csv/new.csv"], "labels.csv is not a folder"),
        ([*JUDGE, "--relabel-list", "{there}/labels.csv/new.csv"], "labels.csv is not a folder"),
        (["select", "-o", f"{{there}}/{LONG}.csv"], "the name is too long"),
        (["select", "-o", f"{{there}}/{LONG}.dir/new.csv"], "the name is too long"),
        (["select", "-o", f"{{there}}/new/{LONG}.csv"], "the name is too long"),
        (["select", "-o", f"{{there}}/{'long/' * 1000}new.csv"], "the name is too long"),
        (["simulate", "-o", f"{{there}}/{LONG}.parquet"], "the name is too long"),
        ([*TAKE, "--report", f"{{there}}/{LONG}.csv"], "the name is too long"),
        (["report", "-o", "{there}/pipe.html"], "pipe.html is not a file, and this is written to a file only"),
        (["report", "-o", "{there}/r.html", "--map-picture", "{there}/pipe.png"], "pipe.png is not a file, and this is written to a file only"),
        (["simulate", "-o", "{there}/pipe.parquet"], "pipe.parquet is not a file, and this is written to a file only"),
        (["simulate", "-o", "/dev/null"], "/dev/null is not a file, and this is written to a file only"),
        (["simulate", "--plot", "{there}/pipe.png"], "pipe.png is not a file, and this is written to a file only"),
        (["select", "-o", "{there}/socket.csv"], "socket.csv is not a file"),
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


def through(pipe: Path, there: Path, *arguments: str) -> tuple[Result, bytes]:
    """Run a command that writes to a named pipe, and return what came out of that."""
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as beside:
        read = beside.submit(pipe.read_bytes)
        done = run(there, *arguments)
        if done.exit_code:
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))  # nobody wrote: let the reader go
        return done, read.result(timeout=60)


def in_shell(there: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, in which `alcli` is the program and `pool` the pool."""
    program = f'alcli() {{ {sys.executable} -m alcli "$@"; }}; pool=scored; {line}'
    return subprocess.run(
        ["bash", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=there,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def test_a_list_goes_through_a_pipe_in_the_format_of_its_name(there: Path) -> None:
    asked = ("select", "-k", "5")
    assert run(there, *asked, "-o", "{there}/plain.csv").exit_code == 0
    done, data = through(there / "pipe", there, *asked, "-o", "{there}/pipe")
    assert (done.exit_code, data) == (0, (there / "plain.csv").read_bytes())
    done, data = through(there / "pipe.jsonl", there, *asked, "-o", "{there}/pipe.jsonl")
    assert done.exit_code == 0
    assert [json.loads(line)["rank"] for line in data.splitlines()] == [1, 2, 3, 4, 5]
    (there / "pipe.parquet").unlink()
    done, data = through(there / "pipe.parquet", there, *asked, "-o", "{there}/pipe.parquet")
    assert done.exit_code == 0
    assert pq.read_table(io.BytesIO(data))["rank"].to_pylist() == [1, 2, 3, 4, 5]
    assert (there / "pipe").is_fifo()
    assert not list(there.glob(".alcli-tmp-*"))


def test_the_problems_of_a_file_go_through_a_pipe(there: Path) -> None:
    (there / "labels.csv").write_text("file_name,label\nno.jpg,class-0\n")
    os.mkfifo(there / "problems.csv")
    done = in_shell(
        there, "cat problems.csv & alcli import-labels labels.csv $pool --report problems.csv; echo $?; wait"
    )
    assert "no.jpg,unknown image" in done.stdout
    assert "5" in done.stdout.splitlines()
    assert (there / "problems.csv").is_fifo()


def test_a_list_goes_to_another_program(there: Path) -> None:
    done = in_shell(there, "alcli select -k 5 -o >(cat) $pool | cat")
    assert (len(list(csv.DictReader(io.StringIO(done.stdout)))), done.returncode) == (5, 0), done.stderr


@pytest.mark.parametrize("where", ["| cat", "> out", ">> out"])
def test_standard_output_may_be_called_by_its_device(there: Path, where: str) -> None:
    (there / "out").write_text("")
    done = in_shell(there, f"alcli select -k 5 -o /dev/stdout $pool {where}")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout + (there / "out").read_text())))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert Path("/dev/stdout").is_symlink()


def test_what_a_file_holds_stays_before_what_is_appended_by_the_shell(there: Path) -> None:
    (there / "out").write_text("kept\n")
    done = in_shell(there, "{ alcli select -o /dev/stdout $pool; echo more; } >> out")
    assert done.returncode == 0, done.stderr
    lines = (there / "out").read_text().splitlines()
    assert (lines[0], lines[1][:5], lines[-1]) == ("kept", "rank,", "more")


@pytest.mark.parametrize("command", ["select --json -o /dev/stdout", "select --json -o both"])
def test_the_summary_never_mixes_with_the_list(there: Path, snapshot: Snapshot, command: str) -> None:
    before = snapshot(there / "scored")
    done = in_shell(there, f"alcli {command} $pool > both")
    assert (done.returncode, snapshot(there / "scored")) == (2, before)
    assert "both write to standard output" in done.stderr


@pytest.mark.parametrize("where", ["", "> /dev/null"])
def test_a_list_may_go_nowhere(there: Path, where: str) -> None:
    (there / "nowhere").symlink_to("/dev/null")
    for name in ("/dev/null", "nowhere"):
        done = in_shell(there, f"alcli select --json -k 5 -o {name} $pool {where}")
        assert done.returncode == 0, done.stderr
        assert Path(name if name.startswith("/") else there / name).is_char_device()
    assert (there / "nowhere").is_symlink()


@pytest.mark.parametrize("there_already", [True, False])
def test_a_link_stays_a_link(there: Path, there_already: bool) -> None:
    (there / "kept").mkdir()
    for name in ("list.csv", "problems.jsonl", "page.html"):
        (there / name).symlink_to(there / "kept" / name)
        if there_already:
            (there / "kept" / name).write_text("")
    (there / "labels.csv").write_text("file_name,label\nno.jpg,class-0\n")
    assert run(there, "select", "-k", "5", "-o", "{there}/list.csv").exit_code == 0
    assert run(there, *TAKE, "--report", "{there}/problems.jsonl").exit_code == 5
    assert run(there, "report", "-o", "{there}/page.html").exit_code == 0
    for name in ("list.csv", "problems.jsonl", "page.html"):
        assert (there / name).is_symlink()
        assert (there / "kept" / name).stat().st_size > 0


def test_a_name_as_long_as_a_name_may_be_can_be_written(there: Path) -> None:
    for name in (f"{'n' * 251}.csv", f"{'ü' * 125}x.csv"):
        assert len(os.fsencode(name)) == 255
        assert run(there, "select", "-k", "5", "-o", f"{{there}}/{name}").exit_code == 0
        assert (there / name).read_text().startswith("rank,")


def test_a_folder_that_may_not_be_written_to_is_found_before_the_round(
    there: Path, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    (there / "locked").mkdir()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked" and real(path, mode))
    before = snapshot(there)
    done = run(there, "select", "-o", "{there}/locked/new/list.csv")
    assert (done.exit_code, snapshot(there)) == (2, before)
    assert "locked may not be written to" in done.stderr
