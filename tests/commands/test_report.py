"""`alcli report`: the file, standard output, standard error and exit codes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from alcli.main import app
from alcli.project import Project
from typer.testing import CliRunner, Result

from tests.conftest import draw

Build = Callable[..., Project]
Snapshot = Callable[[Path], dict[str, bytes]]


def run(*arguments: str | Path, command: str = "report") -> Result:
    return CliRunner().invoke(app, [command, "--workers", "0", *map(str, arguments)])


@pytest.fixture
def pool(scored_pool: Build) -> Path:
    random = np.random.default_rng(0)
    points = random.normal(size=(30, 4)).astype(np.float16)
    project = scored_pool(
        random.dirichlet(np.ones(3), 30),
        signals={"embeddings": points},
        labels={0: "class-0", 1: "class-1", 2: "class-2"},
        splits={2: "test"},
    )
    for row in range(30):
        draw(project.pool / f"img-{row:04d}.jpg", shade=7 * row, seed=row)
    assert run("-k", "5", project.pool, command="select").exit_code == 0
    return project.pool


def test_one_file_and_its_path(pool: Path, tmp_path: Path, snapshot: Snapshot) -> None:
    before = snapshot(pool)
    page = tmp_path / "new" / "page.html"
    done = run("-o", page, "--map", "pca", pool)
    assert (done.exit_code, done.stdout) == (0, f"{page}\n")
    assert "1 rounds, 5 images on the contact sheet, 29 on the map" in done.stderr
    assert snapshot(pool) == before
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]
    text = page.read_text(encoding="utf-8")
    assert text.lstrip().lower().startswith("<!doctype html>")
    assert "img-0003.jpg" in text


def test_the_same_state_gives_the_same_bytes(pool: Path, tmp_path: Path) -> None:
    for name in ("one.html", "two.html"):
        assert run("-o", tmp_path / name, pool).exit_code == 0
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_in_the_current_folder_unless_told_otherwise(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("--map", "none", pool)
    assert done.stdout == "report.html\n"
    assert (tmp_path / "report.html").exists()


def test_json_is_a_summary_and_nothing_else(pool: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run("-o", page, "--map", "pca", "--max-cards", "2", "--json", pool)
    summary = json.loads(done.stdout)
    assert summary == {
        "schema": "alcli/report/1",
        "path": str(page),
        "bytes": page.stat().st_size,
        "rounds": 1,
        "cards": 2,
        "omitted": 3,
        "points": 29,
        "problems": 0,
    }
    assert "3 more are left out" in done.stderr


def test_two_strategies_against_each_other(pool: Path, tmp_path: Path) -> None:
    done = run("-o", tmp_path / "page.html", "--map", "none", "--compare", "margin,entropy", pool)
    assert done.exit_code == 0, done.stderr
    assert "data:image/svg+xml" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_settings_come_from_the_environment(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALCLI_REPORT_MAP", "none")
    monkeypatch.setenv("ALCLI_REPORT_OUTPUT", str(tmp_path / "there.html"))
    assert run(pool).stdout == f"{tmp_path / 'there.html'}\n"


# Bad input: exit code, message, and nothing that is written


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--map", "umap"], 2, "no map by umap"),
        (["--compare", "margin"], 2, "--compare margin"),
        (["--compare", "margin,margin"], 2, "--compare margin,margin"),
        (["--compare", "margin,margn"], 2, "margn"),
        (["--compare", "margin,bald"], 3, "mc_probabilities"),
        (["--max-cards", "-1"], 2, "--max-cards"),
        (["--seed", "-1"], 2, "--seed"),
        (["-o", "{pool}"], 2, "is a folder"),
        (["-o", "{pool}/metadata.parquet"], 2, "one of alcli's own files"),
        (["-o", "{pool}/.alcli/rounds/report.html"], 2, "one of alcli's own files"),
        (["-o", "{pool}/img-0001.jpg"], 2, "does not end in .html"),
        (["-o", "{pool}/new/report.html", "--map", "umap"], 2, "no map by umap"),
        (["-o", "{pool}/img-0001.jpg/report.html"], 2, "img-0001.jpg is not a folder"),
    ],
)
def test_a_bad_request_writes_nothing(
    pool: Path, snapshot: Snapshot, arguments: list[str], code: int, message: str
) -> None:
    before = snapshot(pool)
    given = ["-o", str(pool / "report.html"), *(text.format(pool=pool) for text in arguments)]
    done = run(*given, pool)
    assert done.exit_code == code, done.stderr
    assert message in done.stderr
    assert done.stdout == ""
    assert snapshot(pool) == before


def test_no_manifest_and_no_pool(tmp_path: Path) -> None:
    done = run("-o", tmp_path / "report.html", tmp_path)
    assert (done.exit_code, "alcli init" in done.stderr) == (3, True)
    assert list(tmp_path.iterdir()) == []
    assert run(tmp_path / "nowhere").exit_code == 2


def test_a_folder_that_cannot_be_written(pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / "locked" and allowed(path, mode))
    done = run("-o", tmp_path / "locked" / "new" / "report.html", pool)
    assert (done.exit_code, "locked may not be written to" in done.stderr) == (2, True)
    assert list((tmp_path / "locked").iterdir()) == []


def test_it_reads_while_another_writes(pool: Path, tmp_path: Path) -> None:
    with Project.open(pool).locked("train"):
        assert run("-o", tmp_path / "page.html", "--map", "none", pool).exit_code == 0


def test_the_map_is_drawn_for_a_paper(pool: Path, tmp_path: Path) -> None:
    picture = tmp_path / "map.svg"
    done = run("-o", tmp_path / "page.html", "--map", "pca", "--map-picture", picture, pool)
    assert done.exit_code == 0, done.stderr
    assert "29 images by class" in picture.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--map-picture", "map.doc"], 2, "map.doc"),
        (["--map-picture", "map.png", "--map", "none"], 2, "--map none makes none"),
    ],
)
def test_a_picture_that_cannot_be(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("-o", tmp_path / "page.html", *arguments, pool)
    assert done.exit_code == code
    assert told in done.stderr
    assert not (tmp_path / "page.html").exists()


def test_a_map_of_nothing_is_not_drawn(tmp_path: Path, scored_pool: Build) -> None:
    project = scored_pool(np.full((6, 2), 0.5), name="bare")
    for row in range(6):
        draw(project.pool / f"img-{row:04d}.jpg", shade=30 * row, seed=row)
    done = run("-o", tmp_path / "page.html", "--map-picture", tmp_path / "map.png", project.pool)
    assert done.exit_code == 3
    assert "no embeddings are known" in done.stderr


@pytest.mark.parametrize(
    ("damaged", "way_out"),
    [
        ("models/0001-aaaaaa/model.json", "rm -r {state}/models/0001-aaaaaa"),
        ("signals/0001-aaaaaa/signals.json", "rm -r {state}/signals/0001-aaaaaa"),
        ("signals/0001-aaaaaa/part-00000.arrow", "rm {state}/signals/0001-aaaaaa/part-00000.arrow"),
    ],
)
def test_a_damaged_file_is_named_with_a_way_out(
    pool: Path, tmp_path: Path, damaged: str, way_out: str
) -> None:
    state = pool / ".alcli"
    path = state / damaged
    path.write_bytes(path.read_bytes()[:40])  # as a full disk of another program may leave it
    done = run("-o", tmp_path / "page.html", pool)
    assert (done.exit_code, done.stdout) == (5, "")
    assert f"{path} cannot be read" in done.stderr
    assert f"hint: {way_out.format(state=state)}" in done.stderr
    subprocess.run(shlex.split(way_out.format(state=state)), check=True)
    assert run("-o", tmp_path / "page.html", pool).exit_code == 0


@pytest.mark.parametrize("content", ["{}", "[]", "[1]", "3", '{"id": "0001-aaaaaa", "kind": "external"}'])
@pytest.mark.parametrize("damaged", ["models/0001-aaaaaa/model.json", "signals/0001-aaaaaa/signals.json"])
def test_json_of_another_shape_is_damaged_too(pool: Path, tmp_path: Path, damaged: str, content: str) -> None:
    path = pool / ".alcli" / damaged
    path.write_text(content)
    for done in (run("-o", tmp_path / "page.html", pool), run("--replace", pool, command="select")):
        assert (done.exit_code, done.stdout) == (5, "")
        assert f"error: {path} cannot be read: " in done.stderr
        assert f"hint: rm -r {path.parent}" in done.stderr


def test_what_only_a_new_round_would_compute_is_not_asked_for_while_one_is_open(
    scored_pool: Callable[..., Project], tmp_path: Path
) -> None:
    """`select` by deepfool would be refused, and `--add` would send more images out: the hint compares others."""
    values = np.random.default_rng(0).dirichlet(np.ones(3), 12)
    pool = scored_pool(values, kind="trained").pool
    assert CliRunner().invoke(app, ["select", "-k", "3", str(pool)]).exit_code == 0
    page = tmp_path / "page.html"
    done = run("-o", page, "--map", "none", "--compare", "margin,deepfool", pool)
    assert done.exit_code == 3
    assert "12 candidates lack adversarial distances, which deepfool needs" in done.stderr
    assert "hint: select computes them when it selects by deepfool\n" in done.stderr
    words = shlex.split(done.stderr[done.stderr.index("alcli report") :])[1:]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert page.exists()


def test_a_damaged_audit_is_as_if_it_had_not_been(pool: Path, tmp_path: Path) -> None:
    record = pool / ".alcli" / "audits" / "0001" / "audit.json"
    record.parent.mkdir(parents=True)
    record.write_text("{")
    assert run("-o", tmp_path / "page.html", "--map", "none", pool).exit_code == 0
