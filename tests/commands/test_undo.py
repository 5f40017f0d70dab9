"""`alcli undo`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

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
