"""`alcli undo`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from alcli.main import app
from typer.testing import CliRunner

Snapshot = Callable[[Path], dict[str, bytes]]


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_manifest_is_as_before_and_people_are_told(image_folder: Path) -> None:
    run("init", image_folder)
    before = (image_folder / "metadata.parquet").read_bytes()
    (image_folder / "dark" / "000.png").unlink()
    run("init", image_folder)
    assert (image_folder / "metadata.parquet").read_bytes() != before
    assert run("undo", image_folder, "--dry-run") == (0, "", "would undo: init\n")
    assert run("undo", image_folder) == (0, "", "undone: init\n")
    assert (image_folder / "metadata.parquet").read_bytes() == before


def test_a_summary_for_programs(image_folder: Path) -> None:
    run("init", image_folder)
    (image_folder / "dark" / "000.png").unlink()
    run("init", image_folder)
    _, out, _ = run("undo", image_folder, "--json", "-q")
    assert json.loads(out) == {"schema": "alcli/undo/1", "dry_run": False, "undone": "init"}


def test_nothing_to_undo(image_folder: Path, snapshot: Snapshot) -> None:
    before = snapshot(image_folder)
    code, out, err = run("undo", image_folder)
    assert (code, out) == (3, "")
    assert "nothing to undo" in err
    assert snapshot(image_folder) == before
    run("init", image_folder)
    assert run("undo", image_folder)[0] == 3


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("damage", ["cut off", "a column taken out"])
def test_the_hint_for_a_damaged_manifest_can_be_pasted(tmp_path: Path, damage: str, elsewhere: bool) -> None:
    pool, state = tmp_path / "a pool", tmp_path / "a state"
    pool.mkdir()
    (pool / "1.png").touch()
    place = ["--state", state] if elsewhere else []
    manifest = (state if elsewhere else pool) / "metadata.parquet"
    assert run("init", pool, *place)[0] == 0
    before = manifest.read_bytes()
    (pool / "2.png").touch()
    assert run("init", pool, *place)[0] == 0
    if damage == "cut off":
        manifest.write_bytes(manifest.read_bytes()[:-9])
    else:
        pq.write_table(pq.read_table(manifest).drop_columns(["split"]), manifest)
    code, _, err = run("status", pool, *place)
    hint, *others = [line.removeprefix("hint: ") for line in err.splitlines() if line.startswith("hint: ")]
    assert (code, hint.startswith("alcli undo ")) == (5, True)
    assert "alcli" not in " ".join(others)
    assert run(*shlex.split(hint)[1:])[0] == 0
    assert manifest.read_bytes() == before
    assert run("status", pool, *place)[0] == 0
