"""A project: where things are, and that only one alcli writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest
from alcli.errors import CannotWrite, LockHeld, StepMissing, UsageError
from alcli.project import Project

HOLD = """
import sys, pathlib
from alcli.project import Project
with Project.open(pathlib.Path(sys.argv[1])).locked("train"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path: Path) -> Iterator[int]:
    """Another process that holds the lock of `tmp_path`; its number."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        yield other.pid
        other.stdin.close()


def test_the_lock_held_by_another_process_is_told_with_its_holder(tmp_path: Path, held: int) -> None:
    told = f"another alcli is writing to {tmp_path}: `train`, process {held} on "
    with pytest.raises(LockHeld, match=told) as caught, Project.open(tmp_path).locked("init", timeout_s=0.05):
        raise AssertionError
    assert caught.value.exit_code == 6


def test_the_lock_is_free_again_after_an_error_and_leftovers_are_gone(tmp_path: Path) -> None:
    project = Project.open(tmp_path)
    with pytest.raises(RuntimeError), project.locked("init"):
        raise RuntimeError
    for folder in (project.state, project.home, project.history):
        folder.mkdir(exist_ok=True)
        (folder / ".alcli-tmp-1234-x").touch()
    with project.locked("init", timeout_s=0.05):
        assert not list(tmp_path.rglob(".alcli-tmp-*-x"))
        assert json.loads((project.home / "lock.json").read_text())["command"] == "init"
    assert sorted(path.name for path in project.home.iterdir()) == ["history", "lock"]


def test_what_a_killed_holder_left_in_folders_of_rounds_goes(tmp_path: Path) -> None:
    """Only then are they looked through; a training that runs beside it keeps its files."""
    project = Project.open(tmp_path)
    folders = [
        project.round_folder(2),
        project.home / "votes",
        project.audits / "0001",
        project.signals / "x",
    ]
    beside = project.models / ".partial-1"
    for folder in (*folders, beside):
        folder.mkdir(parents=True)
        (folder / ".alcli-tmp-1234-x").touch()
        (folder / "votes.parquet").touch()
    (project.home / "lock.json").write_text("{}")  # its holder had no time to take it away
    with project.locked("init"):
        assert [path.parent for path in tmp_path.rglob(".alcli-tmp-*-x")] == [beside]
    assert len(list(tmp_path.rglob("votes.parquet"))) == 5


def test_a_read_only_state_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with (
        pytest.raises(CannotWrite, match="permission denied") as caught,
        Project.open(tmp_path).locked("init"),
    ):
        raise AssertionError
    assert caught.value.exit_code == 2
    assert "--state DIR" in (caught.value.hint or "")


@pytest.mark.parametrize(("name", "what"), [("nowhere", "does not exist"), ("file", "is not a folder")])
def test_a_pool_that_is_no_folder(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=what):
        Project.open(tmp_path / name)
    if name == "file":
        with pytest.raises(UsageError, match=r"--state .* is not a folder"):
            Project.open(tmp_path, tmp_path / name)


def test_where_things_are(tmp_path: Path) -> None:
    project = Project.open(tmp_path, tmp_path / "state")
    assert project.manifest == tmp_path / "state" / "metadata.parquet"
    assert project.config == tmp_path / "state" / ".alcli" / "config.toml"
    assert project.round_folder(12) == tmp_path / "state" / ".alcli" / "rounds" / "0012"
    assert Project.open(tmp_path).home == tmp_path / ".alcli"
    assert [path.name for path in tmp_path.iterdir()] == []


def test_commands_in_hints_can_be_pasted(tmp_path: Path) -> None:
    pool = tmp_path / "my pool"
    pool.mkdir()
    assert Project.open(pool).command("train", "--epochs 3") == f"alcli train --epochs 3 '{pool}'"
    assert Project.open(pool, tmp_path).command("train") == f"alcli train --state {tmp_path} '{pool}'"


def test_a_missing_manifest_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(StepMissing, match="no label manifest yet") as caught:
        Project.open(tmp_path).require_manifest()
    assert caught.value.hint == f"alcli init {tmp_path}"
