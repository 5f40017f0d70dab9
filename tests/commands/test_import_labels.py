"""`alcli import-labels`: what it takes, what it says, and the code it ends with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alcli import ledger
from alcli import manifest as manifests
from alcli.main import app
from alcli.manifest import Manifest
from alcli.project import Project
from typer.testing import CliRunner, Result


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    """Thirty images `00.jpg` … `29.jpg`, the first ten out in round 1."""
    (tmp_path / "pool").mkdir()
    names = [f"{row:02d}.jpg" for row in range(30)]
    sent = [1 if row < 10 else None for row in range(30)]
    columns = {"file_name": names, "size": [1] * 30, "mtime_ns": [1] * 30, "queried_round": sent}
    project = Project.open(tmp_path / "pool")
    with ledger.writing(project, "init"):
        ledger.commit(project, Manifest.build(columns, ["cat", "dog"]).replace(round_=1), command="init")
    return project


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["import-labels", *map(str, arguments)])


def labels_file(tmp_path: Path, rows: str) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(f"file_name,label,annotator\n{rows}")
    return path


def test_labels_come_before_the_pool(pool: Project, tmp_path: Path) -> None:
    result = run(labels_file(tmp_path, "00.jpg,cat,\n01.jpg,,\n"), pool.pool)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "labelled 1 images; 1 not answered; round 1: 1 came back, 9 still out\n"
    assert manifests.read(pool.manifest).strings("label")[0] == "cat"


def test_the_pool_is_here_by_default(pool: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pool.pool)
    assert run(labels_file(tmp_path, "00.jpg,cat,\n")).exit_code == 0
    assert manifests.read(pool.manifest).labelled.sum() == 1


def test_the_second_time_nothing_changes_and_that_is_fine(pool: Project, tmp_path: Path) -> None:
    path = labels_file(tmp_path, "00.jpg,cat,\n20.jpg,dog,\n")
    run(path, pool.pool)
    before = pool.manifest.stat().st_mtime_ns
    result = run(path, pool.pool)
    assert (result.exit_code, pool.manifest.stat().st_mtime_ns) == (0, before)
    assert result.stderr.startswith("nothing changed; 2 had this label already")


def test_the_first_ten_problems_are_shown_and_nothing_is_changed(
    pool: Project, tmp_path: Path, snapshot: Callable[[Path], dict[str, bytes]]
) -> None:
    before = snapshot(pool.state)
    report = tmp_path / "report.csv"
    wrong = "".join(f"no-{row}.jpg,cat,\n" for row in range(12))
    result = run(labels_file(tmp_path, f"00.jpg,cat,\n{wrong}"), pool.pool, "--report", report)
    assert (result.exit_code, result.stdout, snapshot(pool.state)) == (5, "", before)
    lines = result.stderr.splitlines()
    assert lines[0].endswith("labels.csv: 12 of 13 rows cannot be taken, so none was: 12 unknown image")
    assert lines[1:11] == [f"  line {row + 3}: no-{row}.jpg: not in the pool" for row in range(10)]
    assert lines[11] == "  … and 2 more"
    assert lines[12].startswith("hint: ")
    assert len(report.read_text().splitlines()) == 13


def test_the_hint_for_unknown_classes_can_be_pasted(pool: Project, tmp_path: Path) -> None:
    path = labels_file(tmp_path, "00.jpg,bird,\n")
    result = run(path, pool.pool)
    assert result.exit_code == 5
    assert f"hint: alcli import-labels --new-classes {path} {pool.pool}" in result.stderr
    assert run("--new-classes", path, pool.pool).exit_code == 0
    assert manifests.read(pool.manifest).classes == ("cat", "dog", "bird")


@pytest.mark.parametrize(
    ("classes", "written", "read"),
    [
        (["1", "2", "3"], "1.0 3.0", "1 3"),
        (["1", "cat"], "1.0 cat", "1 cat"),
        (["1", "3"], "3.0 3", "3 3"),  # a file put together from two
        (["3", "3.0"], "3.0 3", "3.0 3"),
    ],
)
def test_whole_numbers_that_pandas_wrote_with_a_point_are_classes(
    tmp_path: Path, classes: list[str], written: str, read: str
) -> None:
    """A column with empty cells is one of floats there, and 3 becomes 3.0."""
    project = numbered(tmp_path / "pool", classes)
    path = tmp_path / "labels.csv"
    path.write_text("file_name,label\na.jpg,{}\nb.jpg,{}\nc.jpg,\n".format(*written.split()))
    result = run(path, project.pool)
    assert result.exit_code == 0, result.stderr
    manifest = manifests.read(project.manifest)
    assert manifest.strings("label") == [*read.split(), None]
    assert manifest.classes == tuple(classes)
    assert result.stderr.count("are read as") == (written != read)


def test_the_hint_for_an_unknown_number_makes_a_class_like_the_others(tmp_path: Path) -> None:
    project = numbered(tmp_path / "pool", ["1", "2"])
    path = tmp_path / "labels.csv"
    path.write_text("file_name,label\na.jpg,1.0\nb.jpg,3.0\nc.jpg,\n")
    result = run(path, project.pool)
    assert result.exit_code == 5
    assert "line 3: b.jpg: unknown class '3'\n" in result.stderr
    assert result.stderr.count("labels such as '1.0' are read as '1', like the pool's classes") == 1
    assert run("--new-classes", path, project.pool).exit_code == 0
    assert manifests.read(project.manifest).classes == ("1", "2", "3")


def test_a_version_beside_words_is_no_whole_number(tmp_path: Path) -> None:
    project = numbered(tmp_path / "pool", ["cat", "1.5"])
    path = tmp_path / "labels.csv"
    path.write_text("file_name,label\na.jpg,2.0\nb.jpg,1.5\n")
    assert "unknown class '2.0'" in run(path, project.pool).stderr
    assert run("--new-classes", path, project.pool).exit_code == 0
    assert manifests.read(project.manifest).classes == ("cat", "1.5", "2.0")


def numbered(folder: Path, classes: list[str]) -> Project:
    """Make a pool of three images without labels that has these classes."""
    folder.mkdir()
    project = Project.open(folder)
    columns = {"file_name": ["a.jpg", "b.jpg", "c.jpg"], "size": [1] * 3, "mtime_ns": [1] * 3}
    with ledger.writing(project, "init"):
        ledger.commit(project, Manifest.build(columns, classes), command="init")
    return project


@pytest.mark.parametrize(
    ("rows", "options", "label"),
    [
        ("00.jpg,cat,ann\n00.jpg,cat,bo\n00.jpg,dog,cy\n", ["--resolve", "majority"], "cat"),
        ("x/00.jpg,dog,\n", ["--strip-prefix", "x/"], "dog"),
        ("x/y/00.jpg,dog,\n", ["--strip-prefix", "z/", "--strip-prefix", "x/y/"], "dog"),
        ("/data/local-files/?d=p/00.jpg,dog,\n", ["--strip-prefix", "/data/local-files/?d=p/"], "dog"),
        ("far/away/00.jpg,dog,\n", ["--match", "basename"], "dog"),
    ],
)
def test_options_reach_the_rules(
    pool: Project, tmp_path: Path, rows: str, options: list[str], label: str
) -> None:
    path = labels_file(tmp_path, rows)
    assert run(path, pool.pool).exit_code == 5
    assert run(path, pool.pool, *options).exit_code == 0
    assert manifests.read(pool.manifest).strings("label")[0] == label


def test_the_format_can_be_said(pool: Project, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text('{"file_name": "00.jpg", "label": "cat"}\n')
    assert run(path, pool.pool, "--format", "jsonl").exit_code == 0
    assert manifests.read(pool.manifest).strings("label_source")[0] == "import:jsonl"


def test_a_dry_run_says_what_it_would_do(pool: Project, tmp_path: Path) -> None:
    before = pool.manifest.read_bytes()
    result = run(labels_file(tmp_path, "00.jpg,cat,\n"), pool.pool, "--dry-run")
    assert result.stderr.startswith("would label 1 images")
    assert pool.manifest.read_bytes() == before


def test_the_summary_is_json_on_standard_output(pool: Project, tmp_path: Path) -> None:
    result = run(labels_file(tmp_path, "00.jpg,cat,\n29.jpg,dog,\n"), pool.pool, "--json", "-q")
    summary = json.loads(result.stdout)
    assert summary["schema"] == "alcli/import-labels/1"
    assert (summary["labelled"], summary["unsent"], summary["by_round"]) == (2, 1, {"1": 1})
    assert result.stderr == ""


def test_a_file_that_is_not_there_is_a_usage_error(pool: Project, tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere.csv", pool.pool)
    assert result.exit_code == 2
    assert "nowhere.csv" in result.stderr


def test_settings_come_from_the_environment_and_the_file(
    pool: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = labels_file(tmp_path, "00.jpg,bird,\n")
    pool.config.write_text("[import-labels]\nannotator = 'vendor'\n")
    monkeypatch.setenv("ALCLI_IMPORT_LABELS_NEW_CLASSES", "1")
    assert run(path, pool.pool).exit_code == 0
    assert manifests.read(pool.manifest).strings("annotator")[0] == "vendor"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (r'{"file_name": "00.jpg", "label": "\ud800"}', r"column 'label' holds '\ud800'"),
        (r'{"file_name": "00.jpg", "label": "cat", "annotator": "\udc00"}', "column 'annotator' holds"),
        (r'{"file_name": "0\ud800.jpg", "label": "cat"}', "column 'file_name' holds"),
        (r'{"file_name": "00.jpg", "label": "a\u0000b"}', "column 'label' holds"),
        ('{"file_name": "00.jpg", "label": "cat", "x": ' + "[" * 100_000, "not JSON: nested too deep"),
    ],
    ids=["label", "annotator", "image", "NUL", "deep"],
)
def test_json_that_is_no_text_is_rejected_with_its_line(
    pool: Project, tmp_path: Path, line: str, told: str
) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"file_name": "01.jpg", "label": "dog"}\n' + line)
    before = pool.manifest.read_bytes()
    result = run(path, pool.pool, "--new-classes", "--report", tmp_path / "problems.csv")
    assert (result.exit_code, pool.manifest.read_bytes()) == (5, before)
    assert f"error: {path}, line 2: {told}" in result.stderr


def test_a_labels_file_whose_name_is_not_utf8(pool: Project, tmp_path: Path) -> None:
    path = labels_file(tmp_path, "00.jpg,cat,\n").rename(tmp_path / os.fsdecode(b"labels\xff.csv"))
    result = run(path, pool.pool, "--json")
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout)["file"] == str(path)
    assert ledger.standing(pool)[-1]["file"] == str(path)


def test_an_annotator_is_named_as_in_the_file(pool: Project, tmp_path: Path) -> None:
    """Blanks and how accents are spelled make no second person."""
    path = labels_file(tmp_path, "00.jpg,cat,\n01.jpg,cat,Ren\u00e9\n")
    assert run(path, pool.pool, "--annotator", " Rene\u0301 ").exit_code == 0
    assert manifests.read(pool.manifest).strings("annotator")[:2] == ["Ren\u00e9"] * 2
    result = run(path, pool.pool, "--annotator", os.fsdecode(b"\xff"))
    assert result.exit_code == 2
    assert "--annotator" in result.stderr


KILLED_AT_A_RENAME = """
import os, pathlib, signal, sys
number, rename = int(sys.argv.pop(1)), pathlib.Path.replace
def replace(self, target):
    global number
    number -= 1
    return rename(self, target) if number else os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path.replace = replace
from alcli.main import run
run()
"""


@pytest.mark.parametrize("rename", [2, 3], ids=["of the votes in a round", "of those in none"])
def test_a_killed_import_leaves_nothing_behind(pool: Project, tmp_path: Path, rename: int) -> None:
    path = labels_file(tmp_path, "00.jpg,cat,ann\n20.jpg,dog,ann\n")
    command = [sys.executable, "-c", KILLED_AT_A_RENAME, str(rename), "import-labels", path, pool.pool]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert list(pool.state.rglob(".alcli-tmp-*"))
    assert run(path, pool.pool).exit_code == 0
    assert not list(pool.state.rglob(".alcli-tmp-*"))
    assert manifests.read(pool.manifest).labelled.sum() == 2
