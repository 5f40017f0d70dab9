"""`alcli demo`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alcli import manifest as manifests
from alcli.main import app
from typer.testing import CliRunner


@pytest.mark.slow
def test_accuracy_rises_and_the_folder_is_left_to_play_with(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["demo", "--json", str(tmp_path / "demo")], catch_exceptions=False)
    assert done.exit_code == 0
    shown = json.loads(done.stdout)
    margin, at_random = shown["lines"]["margin"], shown["lines"]["random"]
    accuracies = [line["accuracy"] for line in margin]
    assert accuracies == sorted(accuracies)
    assert len(set(accuracies)) == 4
    assert accuracies[0] == at_random[0]["accuracy"]
    assert [line["labels"] for line in margin] == [50, 100, 150, 200]
    assert all(line["precision"] > 0.9 for line in margin[1:])
    assert "at random" in done.stderr
    manifest = manifests.read(Path(shown["pool"]) / "metadata.parquet")
    assert len(manifest) == 1797
    for command in (["status"], ["select", "--list"], ["import-labels", shown["answers"]]):
        assert CliRunner().invoke(app, [*command, shown["pool"]], catch_exceptions=False).exit_code == 0


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = CliRunner().invoke(app, ["demo", str(tmp_path)])
    assert done.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
