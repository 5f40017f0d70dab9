"""`kill -9` at random instants: the manifest stays whole, and the same command then finishes the work."""

from __future__ import annotations

import csv
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from alcli import manifest as manifests
from alcli import votebook
from alcli.project import Project

from tests.conftest import draw

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

INSTANTS_PER_COMMAND = 4  # of five commands: twenty kills
SHADES = {"bright": 220, "dark": 30, "middle": 125}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "alcli", *map(str, arguments)]


def run(*arguments: object) -> str:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answer(listing: Path, answers: Path) -> Path:
    """Play the vendor: the file's name says the class."""
    with listing.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = {name[0]: name for name in SHADES}
    for row in rows:
        row["label"] = names[Path(row["file_name"]).name[0]]
        row["annotator"] = "ann"
    with answers.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return answers


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool at the point before each command, so that each kill starts from the same state."""
    root = tmp_path_factory.mktemp("stages")
    pool = root / "pool"
    for name, shade in SHADES.items():
        for index in range(30):
            draw(pool / name / f"{index:03d}.png", shade=shade, seed=index)
        for index in range(300):
            draw(pool / "unlabelled" / f"{name[0]}{index:03d}.png", shade=shade, seed=1000 + index)
    (pool / "unlabelled" / "b999.png").write_bytes(b"broken")
    run("init", pool)
    for verb, arguments in CALLS.items():
        shutil.copytree(pool, root / verb)
        if verb == "import-labels":
            answer(pool / ".alcli/rounds/0001/selection.csv", root / "answers.csv")
        run(verb, *[root / "answers.csv" if a == "ANSWERS" else a for a in arguments], pool)
    return root


CALLS: dict[str, list[object]] = {
    "train": ["--epochs", 6],
    "score": [],
    "select": ["-k", 60],
    "import-labels": ["ANSWERS"],
    "pseudolabel": ["--method", "confidence", "--threshold", "0.5"],
}


def finished(verb: str, pool: Path) -> bool:
    """Whether the pool shows the command's work."""
    manifest = manifests.read(pool / "metadata.parquet")
    return {
        "train": lambda: bool(list(pool.glob(".alcli/models/0001-*/model.json"))),
        "score": lambda: int(manifest.equals("status", "unreadable").sum()) == 1,
        "select": lambda: int(manifest.out.sum()) == 60,
        "import-labels": lambda: int((manifest.labelled & manifest.equals("label_round", 1)).sum()) == 60,
        "pseudolabel": lambda: bool(manifest.filled("pseudo_label").any()),
    }[verb]()


@pytest.mark.parametrize("verb", CALLS)
def test_nothing_is_lost(stages: Path, tmp_path: Path, verb: str) -> None:
    arguments = [stages / "answers.csv" if a == "ANSWERS" else a for a in CALLS[verb]]
    started = time.monotonic()
    shutil.copytree(stages / verb, tmp_path / "timing")
    run(verb, *arguments, tmp_path / "timing")
    whole_s = time.monotonic() - started
    instants = random.Random(verb)  # noqa: S311
    for number in range(INSTANTS_PER_COMMAND):
        pool = tmp_path / str(number)
        shutil.copytree(stages / verb, pool)
        before = manifests.read(pool / "metadata.parquet")
        victim = subprocess.Popen(
            command(verb, *arguments, pool), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(instants.uniform(0.3, 1.0) * whole_s)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        after = manifests.read(pool / "metadata.parquet")
        assert len(after) == len(before)
        assert (after.labelled >= before.labelled).all()
        answered = len(votebook.read(Project.open(pool), after))  # votes and labels come together
        assert answered == int(after.equals("annotator", "ann").sum())
        run(verb, *arguments, *(["--resume"] if verb == "train" else []), pool)
        assert finished(verb, pool)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_simulation_killed_again_and_again_gives_the_same_table(tmp_path: Path, jobs: int) -> None:
    """Eight kills at random instants, then an unbroken run: the table is that of a run that was never killed."""
    pool = tmp_path / "pool"
    for name, shade in SHADES.items():
        for index in range(40):
            draw(pool / "train" / name / f"{index:03d}.png", shade=shade, seed=index)
        for index in range(10):
            draw(pool / "test" / name / f"t{index:03d}.png", shade=shade, seed=500 + index)
    run("init", "--val-fraction", 0, pool)
    arguments: list[object] = [
        "simulate", "-m", "margin", "-m", "badge+confidence:threshold=0.4", "-m", "triplet-margin+pseudo",
        "--initial", 6, "--batch", 6, "--rounds", 3, "--epochs", 8, "--seeds", 2, "--jobs", jobs, pool,
    ]  # fmt: skip
    rng = random.Random(jobs)  # noqa: S311
    broken = tmp_path / "broken.parquet"
    for _ in range(8):
        with subprocess.Popen(
            command(*arguments, "-o", broken), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                process.wait(rng.uniform(5, 25))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
    run(*arguments, "-o", broken)
    shutil.rmtree(pool / ".alcli" / "simulations")
    whole = tmp_path / "whole.parquet"
    run(*arguments, "-o", whole)
    seconds = ["train_seconds", "score_seconds", "select_seconds"]
    found, expected = (pq.read_table(path).drop_columns(seconds) for path in (broken, whole))
    assert len(found) == 4 * 2 * 4
    assert found.equals(expected)
