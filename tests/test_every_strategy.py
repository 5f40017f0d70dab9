"""Every strategy through the command line, on one small pool of real files and a model trained on them."""

from __future__ import annotations

import csv
import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import alcli
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from alcli.main import app
from typer.testing import CliRunner, Result

from tests.conftest import draw, the_log_as_found

QUICK = {  # strategies with an objective of their own, and the least that it can be trained with
    "ccl": ["-O", "pretrain_epochs=1"],
    "vaal": ["-O", "vae_epochs=1", "-O", "vae_width=4", "--model", "lenet", "--embedding", "none"],
}


def run(*arguments: str | int | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 labelled and 40 unlabelled images of three shades, trained and scored."""
    pool = tmp_path_factory.mktemp("every") / "pool"
    for name, shade in {"bright": 220, "dark": 30, "middle": 125}.items():
        for index in range(8):
            draw(pool / name / f"{index}.png", shade=shade, seed=index)
    for index in range(40):
        draw(pool / "unlabelled" / f"{index:02d}.png", shade=20 + 5 * index, seed=99 + index)
    with the_log_as_found():
        for words in (
            ["init"],
            ["train", "--model", "lenet", "--epochs", "2"],
            ["score", "--mc-samples", "4"],
        ):
            done = run(*words, pool)
            assert done.exit_code == 0, done.stderr
    return pool


@pytest.fixture(scope="module")
def trained_for(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that says where a pool with the model is that a strategy needs."""

    @functools.cache
    def objective(name: str) -> Path:
        pool = tmp_path_factory.mktemp(name) / "pool"
        shutil.copytree(trained, pool, copy_function=shutil.copy2)
        with the_log_as_found():
            for words in (["train", "--objective", name, "--epochs", "1", *QUICK[name]], ["score"]):
                done = run(*words, "--workers", 0, pool)
                assert done.exit_code == 0, done.stderr
        return pool

    return lambda name: objective(name) if name in QUICK else trained


@pytest.fixture
def pool(trained_for: Callable[[str], Path], tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    trained = trained_for(parameters.get("name", ""))
    shutil.copytree(trained, tmp_path / "pool", copy_function=shutil.copy2)  # with the times of the files
    return tmp_path / "pool"


@pytest.mark.parametrize("name", ["auto", *alcli.strategies()])
def test_selects_from_a_real_pool(pool: Path, name: str) -> None:
    words = ["select", "--strategy", name, "-k", 7, pool]
    done = run(*words)
    assert done.exit_code == 0, done.stderr
    with Path(done.stdout.strip()).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == list("1234567")
    assert len({row["file_name"] for row in rows}) == 7
    assert all(row["file_name"].startswith("unlabelled/") for row in rows)
    assert all(float(row["score"]) == float(row["score"]) for row in rows)
    again = run(*words)
    assert (again.exit_code, again.stdout) == (0, done.stdout)


@pytest.mark.parametrize("name", alcli.strategies())
def test_repeats_to_the_byte(pool: Path, name: str, tmp_path: Path) -> None:
    """Another folder, another process's files, one worker: the same list."""
    other = tmp_path / "other"
    shutil.copytree(pool, other, copy_function=shutil.copy2)
    words = ["select", "-s", name, "-k", 7, "--seed", 3, "-o", "-"]
    first, second = (run(*words, "--workers", workers, folder) for folder, workers in ((pool, 0), (other, 1)))
    assert first.exit_code == 0, first.stderr
    assert first.stdout == second.stdout


def test_egl_of_the_whole_network_and_deepfool_consider_candidates(pool: Path) -> None:
    for words in (["egl", "-O", "scope=network"], ["deepfool"]):
        done = run("select", "-s", *words, "-k", 3, "--candidates", 10, "--replace", pool)
        assert done.exit_code == 0, done.stderr
        assert "computing" in done.stderr
        assert "approximation: only 10 candidates of 40 images, with the smallest margins" in done.stderr


def test_distances_are_computed_once(pool: Path) -> None:
    run("select", "-s", "deepfool", "-k", 3, "--candidates", 10, pool)
    done = run("select", "-s", "deepfool", "-k", 4, "--candidates", 10, "--replace", pool)
    assert done.exit_code == 0, done.stderr
    assert "computing" not in done.stderr


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["batchbald", "-k", 51], "50", "--stochastic power"),
        (["uherding", "-O", "width=9999"], "width is '9999'", "from 0 to 1000"),
    ],
)
def test_what_is_too_large_or_out_of_range_is_refused(
    pool: Path, words: list[str | int], message: str, hint: str
) -> None:
    for index in range(40, 60):
        draw(pool / "unlabelled" / f"{index:02d}.png", shade=index, seed=index)
    assert run("init", pool).exit_code == 0
    done = run("select", "-s", *map(str, words), pool)
    assert done.exit_code == 2, done.stderr
    assert message in done.stderr
    assert hint in done.stderr


def test_a_first_batch_without_any_label_or_model(tmp_path: Path) -> None:
    """Embeddings of any network do: five groups of images, and the first five cover them all."""
    pool = tmp_path / "pool"
    names = [draw(pool / f"{index:02d}.png", shade=50, seed=index).name for index in range(40)]
    rng = np.random.default_rng(0)
    points = 10 * np.eye(5)[np.arange(40) % 5] + 0.1 * rng.normal(size=(40, 5))
    table = pa.table({"file_name": names, "embeddings": points.tolist()})
    pq.write_table(table, tmp_path / "outputs.parquet")
    assert run("init", pool).exit_code == 0
    assert run("score", "--from", tmp_path / "outputs.parquet", pool).exit_code == 0
    done = run("select", "-s", "auto", "-k", 5, "-o", "-", pool)
    assert done.exit_code == 0, done.stderr
    assert "auto chose typiclust: there are embeddings and no labels" in done.stderr
    chosen = [int(row["file_name"][:2]) for row in csv.DictReader(done.stdout.splitlines())]
    assert sorted(index % 5 for index in chosen) == [0, 1, 2, 3, 4]


def test_the_list_says_what_each_needs_costs_and_keeps(tmp_path: Path) -> None:
    entries = json.loads(run("select", "--list", "--json", tmp_path).stdout)["strategies"]
    assert [entry["name"] for entry in entries] == alcli.strategies()
    for entry in entries:
        assert all(entry[key] for key in ("needs", "cost", "reads", "memory", "summary", "source")), entry
