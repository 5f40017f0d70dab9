"""A simulation is of the images as they were: others under the same names are another experiment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from alcli import manifest, training
from alcli.images import decoding
from alcli.main import app
from alcli.project import Project
from alcli.simulation.contents import told
from alcli.simulation.experiment import Experiment, ground
from typer.testing import CliRunner

from tests.conftest import Listener
from tests.simulation.conftest import make_pool, simulate
from tests.simulation.test_simulate import ONE, rows

FEW = [*ONE, "--initial", "4", "--batch", "2"]


def looked_at_again(pool: Path) -> str:
    """Take files in as they are now; return what `init` said."""
    done = CliRunner().invoke(app, ["init", "--val-fraction", "0", str(pool)])
    assert done.exit_code == 0, done.output
    return done.stderr


def images(pool: Path) -> list[Path]:
    return sorted(pool.rglob("*.png"))


def swap(one: Path, other: Path) -> None:
    """Let two images change places; a padding makes sure that neither has another size than before."""
    first, second = one.read_bytes(), other.read_bytes()
    size = max(len(first), len(second))
    one.write_bytes(second.ljust(size, b"\0"))
    other.write_bytes(first.ljust(size, b"\0"))


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return make_pool(tmp_path / "pool", per_class=4, test=2)


def never(*given: object, **how: object) -> object:
    raise AssertionError("nothing should be trained")


def test_changed_images_are_another_experiment(pool: Path, tmp_path: Path) -> None:
    assert simulate(*FEW, pool).exit_code == 0
    (first,) = pool.glob(".alcli/simulations/*/results.parquet")
    shutil.copy(first, tmp_path / "t.parquet")
    train = [path for path in images(pool) if "train" in path.parts]
    for one, other in zip(train[:6], train[6:], strict=True):
        swap(one, other)
    assert "changed" in looked_at_again(pool)
    refused = simulate(*FEW, "-o", tmp_path / "t.parquet", pool)
    assert refused.exit_code == 2
    assert "holds another experiment: pool differs" in refused.stderr
    assert simulate(*FEW, pool).exit_code == 0
    tables = list(pool.glob(".alcli/simulations/*/results.parquet"))
    assert len(tables) == 2
    assert rows(tables[0]) != rows(tables[1])


def test_another_time_or_another_copy_is_the_same_experiment(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "t.parquet"
    assert simulate(*FEW, "-o", table, pool).exit_code == 0
    for path in images(pool):
        os.utime(path, ns=(10**18, 10**18))
    assert "18 changed" in looked_at_again(pool)
    monkeypatch.setattr(training, "train", never)
    assert simulate(*FEW, "-o", table, pool).exit_code == 0
    copy = tmp_path / "copy"
    shutil.copytree(
        pool, copy, ignore=shutil.ignore_patterns(".alcli", "metadata.parquet"), copy_function=shutil.copy
    )
    looked_at_again(copy)
    assert simulate(*FEW, "--dry-run", "-o", table, copy).exit_code == 0


def test_images_that_change_unseen_are_found_when_they_are_decoded(pool: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.parquet"
    assert simulate(*FEW, "-o", table, pool).exit_code == 0
    before = rows(table)
    one, *_, other = images(pool)
    originals = one.read_bytes(), other.read_bytes()
    swap(one, other)
    refused = simulate(*FEW, "-m", "margin", "-o", table, pool)
    assert refused.exit_code == 5
    assert "2 images have changed since `alcli init`" in refused.stderr
    assert f"hint: alcli init {pool}" in refused.stderr
    assert str(one.relative_to(pool)) in refused.stderr
    assert rows(table) == before
    for path, data in zip((one, other), originals, strict=True):
        path.write_bytes(data)
    again = simulate(*FEW, "-m", "margin", "-o", table, pool)
    assert again.exit_code == 0, "the album of the changed ones is not used"


def test_a_file_is_read_once(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, listener = Project.open(pool), Listener()
    known = ground(project, manifest.read(project.manifest), Experiment())
    found = told(project, known, keep=True, progress=listener.progress)
    assert listener.totals == {"reading": 18}
    assert listener.complete("reading")
    monkeypatch.setattr(decoding, "decode_as", never)
    assert told(project, known, keep=True, progress=listener.progress).strings("sha256") == found.strings(
        "sha256"
    )


def test_a_digest_that_the_manifest_has_is_believed(pool: Path) -> None:
    project, listener = Project.open(pool), Listener()
    known = ground(project, manifest.read(project.manifest), Experiment())
    known = known.replace(sha256=[None, *["f" * 64] * 17])
    found = told(project, known, keep=False, progress=listener.progress)
    assert listener.totals == {"reading": 1}
    assert found.strings("sha256")[1:] == ["f" * 64] * 17
    assert not (project.home / "simulations").exists()


def test_a_file_that_is_gone_has_no_digest_and_is_looked_for_again(pool: Path) -> None:
    project = Project.open(pool)
    known = ground(project, manifest.read(project.manifest), Experiment())
    one = images(pool)[0]
    one.rename(one.with_suffix(".gone"))
    assert told(project, known, keep=True, progress=Listener().progress).strings("sha256").count(None) == 1
    one.with_suffix(".gone").rename(one)
    listener = Listener()
    assert None not in told(project, known, keep=True, progress=listener.progress).strings("sha256")
    assert listener.totals == {"reading": 1}


def test_a_cache_that_is_none_counts_for_nothing(pool: Path) -> None:
    project = Project.open(pool)
    known = ground(project, manifest.read(project.manifest), Experiment())
    path = project.home / "simulations" / "images.parquet"
    path.parent.mkdir()
    path.write_bytes(b"no table")
    assert None not in told(project, known, keep=True, progress=Listener().progress).strings("sha256")
