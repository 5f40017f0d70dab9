"""A small labelled pool that every simulation here runs on, and one finished simulation of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from alcli.main import app
from typer.testing import CliRunner, Result

from tests.conftest import draw, the_log_as_found

SHADES = {"bright": 190, "dark": 60, "middle": 125}
QUICK = ["--initial", "6", "--batch", "6", "--rounds", "2", "--epochs", "2", "--seeds", "2", "--workers", "1"]
METHODS = ["--method", "margin", "--method", "triplet-margin+pseudo"]


def simulate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


def make_pool(folder: Path, *, per_class: int = 20, test: int = 6) -> Path:
    """Write a pool of three noisy classes with a test split, every image with its label."""
    for name, shade in SHADES.items():
        for index in range(per_class):
            draw(folder / "train" / name / f"{index:03d}.png", shade=shade, seed=index)
        for index in range(test):
            draw(folder / "test" / name / f"t{index:03d}.png", shade=shade, seed=1000 + index)
    with the_log_as_found():
        assert CliRunner().invoke(app, ["init", "-q", "--val-fraction", "0", str(folder)]).exit_code == 0
    return folder


@pytest.fixture(scope="session")
def labelled_pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool that no test changes but for its simulations."""
    return make_pool(tmp_path_factory.mktemp("simulated") / "pool")


@pytest.fixture(scope="session")
def table(labelled_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The table of an unbroken simulation, and what the command said."""
    path = tmp_path_factory.mktemp("tables") / "whole.parquet"
    with the_log_as_found():
        done = simulate(*METHODS, *QUICK, "--reference", "-o", path, labelled_pool)
    assert done.exit_code == 0, done.output
    return path, done
