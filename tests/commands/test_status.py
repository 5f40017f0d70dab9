"""`alcli status`: a report as data, quick, and without heavy packages."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from alcli import files, intake, ledger, summary
from alcli import manifest as manifests
from alcli.main import app
from alcli.project import Project
from typer.testing import CliRunner


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["status", *map(str, arguments)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def pool(project: Project) -> Project:
    """A pool with an open round, a model and two problems."""
    intake.take_in(project, intake.Request())
    manifest = manifests.read(project.manifest)
    pool = np.flatnonzero(manifest.queryable)
    manifest = manifest.assign(pool[:5], queried_round=1).replace(round_=1)
    manifest = manifest.assign(pool[5:7], label="dark", label_round=1)
    manifest = manifest.assign(pool[7:10], pseudo_label="bright")
    manifest = manifest.assign(pool[10:12], status="unreadable", problem="truncated: [bold]")
    with ledger.writing(project, "test"):
        ledger.commit(project, manifest, command="test")
    about = {
        "id": "0001-abc",
        "kind": "trained",
        "architecture": "lenet",
        "metrics": {"val_accuracy": 0.9634},
    }
    files.write_json(project.models / "0001-abc" / "model.json", {**about, "classes": []})
    return project


def test_the_report_is_the_data_of_this_command(pool: Project) -> None:
    code, out, err = run(pool.pool)
    assert (code, err) == (0, "")
    said = {line[:16].strip(): line[16:] for line in out.splitlines() if line and line[0] != " "}
    assert said["images"] == "60, 58 ok, 2 unreadable"
    assert said["splits"] == "56 train, 4 val"
    assert said["labelled"] == "26, 22 of them to train on"
    assert said["pseudo-labelled"] == "3"
    assert said["queryable"] == "27"
    assert said["out"] == "5"
    assert said["round 1"] == "open: 5 out"
    assert said["model"] == "0001-abc, lenet, validation accuracy 96.3%"
    lines = out.splitlines()
    assert "class   labelled  pseudo-labelled" in lines
    assert "dark          10                0" in lines
    assert "bright         8                3" in lines
    assert "problems: 2" in lines
    assert sum(line.endswith(": truncated: [bold]") for line in lines) == 2


def test_the_whole_summary_for_programs(pool: Project) -> None:
    _, out, _ = run(pool.pool, "--json")
    summary = json.loads(out)
    assert summary["schema"] == "alcli/status/1"
    assert summary["images"] == 60
    assert summary["classes"]["dark"] == {"labelled": 10, "pseudo_labelled": 0}
    assert summary["rounds_out"] == {"1": 5}
    assert summary["model"]["id"] == "0001-abc"


def test_audits_are_shown_with_their_interval(pool: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = {"round": 1, "n": 50, "correct": 45, "accuracy": 0.9, "low": 0.786, "high": 0.957}
    counts = {**summary.read(pool), "audits": [audit]}
    monkeypatch.setattr(summary, "read", lambda _: counts)
    assert "audit 1         45 of 50 right: 90.0%, 95 % interval 78.6% to 95.7%" in run(pool.pool)[1]


def test_back_is_what_came_back_of_those_that_were_sent(image_folder: Path, tmp_path: Path) -> None:
    """Five are sent; one is labelled, one declined, one broken since. Two that nobody asked about are labelled."""
    invoke(image_folder, "init")
    invoke(image_folder, "select", "-s", "random", "-k", "5", "-o", tmp_path / "sent.csv")
    with (tmp_path / "sent.csv").open(newline="") as file:
        sent = [row["file_name"] for row in csv.DictReader(file)]
    others = sorted({path.name for path in (image_folder / "unlabelled").iterdir()} - {n[-8:] for n in sent})
    answers = [(sent[0], "dark", ""), (sent[1], "", "yes")]
    answers += [(f"unlabelled/{name}", "dark", "") for name in others[:2]]
    with (tmp_path / "back.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "label", "skipped"), *answers])
    invoke(image_folder, "import-labels", tmp_path / "back.csv")
    assert "round 1         open: 3 out, 2 back\n" in run(image_folder)[1]
    project = Project.open(image_folder)
    manifest = manifests.read(project.manifest)
    broken = manifest.strings("file_name").index(sent[2])
    manifest = manifest.assign(np.array([broken]), status="unreadable", queried_round=None)
    with ledger.writing(project, "score"):
        ledger.commit(project, manifest, command="score")
    assert "round 1         open: 2 out, 2 back\n" in run(image_folder)[1]
    (project.round_folder(1) / "selection.parquet").unlink()
    project.summary.unlink()
    assert "round 1         open: 2 out\n" in run(image_folder)[1]


def invoke(folder: Path, command: str, *arguments: object) -> None:
    done = CliRunner().invoke(app, [command, *map(str, arguments), str(folder)])
    assert done.exit_code == 0, done.stderr


def test_a_pool_without_anything_yet(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    intake.take_in(Project.open(tmp_path), intake.Request())
    code, out, _ = run(tmp_path)
    assert code == 0
    assert "model           none yet" in out
    assert "class" not in out


def test_before_the_first_round_there_is_no_advice(pool: Project) -> None:
    assert "stopping" not in run(pool.pool)[1]
    told = json.loads(run("--json", pool.pool)[1])["stopping"]
    assert (told["says"], told["sentence"]) == ("undecided", "no round was selected with a model yet")
    assert [rule["says"] for rule in told["rules"]] == ["undecided"] * 6


def test_before_init_it_names_the_command(tmp_path: Path) -> None:
    code, out, err = run(tmp_path)
    assert (code, out) == (3, "")
    assert f"hint: alcli init {tmp_path}" in err


def test_counts_that_are_out_of_date_are_counted_again(pool: Project) -> None:
    manifest = manifests.read(pool.manifest)
    manifests.write(manifest.assign(np.arange(60), split="test"), pool.manifest)
    assert "60 test" in run(pool.pool)[1]


def test_it_imports_nothing_heavy(pool: Project) -> None:
    program = (
        "import sys\nfrom alcli.main import app\n"
        "app(['status', sys.argv[1]], standalone_mode=False)\n"
        "heavy = {'torch', 'timm', 'torchvision', 'pyarrow', 'numpy', 'PIL', 'scipy', 'sklearn', 'pandas'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(pool.pool)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("images ")


def test_a_damaged_record_of_a_model_is_named_with_a_way_out(pool: Project) -> None:
    folder = pool.models / "0001-abc"
    (folder / "model.json").write_text('{"id": "0001-abc"')
    code, out, error = run(pool.pool)
    assert (code, out) == (5, "")
    assert f"{folder / 'model.json'} cannot be read" in error
    assert f"hint: rm -r {folder}" in error
