"""`alcli score`: signals of every readable image, resumable, exact, and refused where a model cannot give them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from alcli import inference, models, networks, scoring
from alcli import manifest as manifests
from alcli.main import app
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.scoring.scorer import Scorer
from alcli.signals import SignalStore
from PIL import Image
from typer.testing import CliRunner, Result

from tests.conftest import draw, the_log_as_found


def alcli(*arguments: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == code, done.stderr
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool with a trained model, never scored; tests work on copies."""
    pool = tmp_path_factory.mktemp("trained") / "pool"
    for name, shade in (("bright", 220), ("dark", 30)):
        for index in range(6):
            draw(pool / name / f"{index}.png", shade=shade, seed=index)
        for index in range(10):
            draw(pool / "unlabelled" / f"{name}{index}.png", shade=shade, seed=50 + index)
    with the_log_as_found():
        alcli("init", pool)
        alcli("train", "--epochs", 3, pool)
    return pool


@pytest.fixture
def pool(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "pool"))


def stored(pool: Path) -> tuple[SignalStore, Manifest]:
    project = Project.open(pool)
    return SignalStore(models.newest(project).signals(project)), manifests.read(project.manifest)


def summary(*arguments: object) -> dict[str, Any]:
    return dict(json.loads(alcli("score", "--json", "--workers", 0, *arguments).stdout))


def test_signals_are_what_the_network_says_of_the_pixels(pool: Path) -> None:
    done = summary(pool)
    assert (done["scored"], done["reused"], done["unreadable"]) == (32, 0, 0)
    store, manifest = stored(pool)
    found = store.read(["probabilities", "embeddings", "triplet_embeddings", "prediction"], manifest.keys)
    record = models.newest(Project.open(pool))
    model = networks.load(record, torch.device("cpu"))
    names = manifest.strings("file_name")
    pixels = np.stack([np.asarray(Image.open(pool / str(name)))[:, :, None] for name in names])
    mean, std = record.about["transform"]["mean"][0], record.about["transform"]["std"][0]
    images = torch.from_numpy(((pixels / 255 - mean) / std).astype(np.float32)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = model(images)
    softmax = (expected.logits / record.about["temperature"]).softmax(1).numpy()
    assert found["probabilities"] == pytest.approx(softmax, abs=1e-5)
    assert found["embeddings"].astype(float) == pytest.approx(expected.embeddings.numpy(), rel=2e-3, abs=2e-3)
    assert expected.triplet_embeddings is not None
    assert found["triplet_embeddings"].astype(float) == pytest.approx(
        expected.triplet_embeddings.numpy(), abs=2e-3
    )
    assert np.array_equal(found["prediction"], softmax.argmax(1))


def test_scalars_agree_with_the_probabilities(pool: Path) -> None:
    summary(pool)
    store, manifest = stored(pool)
    found = store.read(["probabilities", "confidence", "margin", "entropy"], manifest.keys)
    ordered = np.sort(found["probabilities"].astype(np.float64), axis=1)
    assert found["confidence"] == pytest.approx(ordered[:, -1], abs=1e-6)
    assert found["margin"] == pytest.approx(ordered[:, -1] - ordered[:, -2], abs=1e-6)
    assert found["entropy"] == pytest.approx(-(ordered * np.log(ordered)).sum(1), abs=1e-5)


def test_a_second_call_finds_everything_done(pool: Path) -> None:
    summary(pool)
    before = {path: path.stat().st_mtime_ns for path in (pool / ".alcli").rglob("*") if path.name != "lock"}
    done = summary(pool)
    assert (done["scored"], done["reused"]) == (0, 32)
    assert {p: p.stat().st_mtime_ns for p in (pool / ".alcli").rglob("*") if p.name != "lock"} == before


def test_new_and_changed_images_are_scored_and_no_others(pool: Path) -> None:
    summary(pool)
    draw(pool / "unlabelled" / "new.png", shade=90)
    draw(pool / "unlabelled" / "dark0.png", shade=40, seed=9, side=18)
    alcli("init", pool)
    assert (done := summary(pool))["scored"] == 2
    assert done["reused"] == 31


def test_some_splits_first_and_the_others_later(pool: Path) -> None:
    project = Project.open(pool)
    splits = manifests.read(project.manifest).strings("split")
    first = scoring.score(project, models.newest(project), splits=["val"], workers=0)
    rest = scoring.score(project, models.newest(project), workers=0)
    assert 0 < first.scored == splits.count("val")
    assert (rest.scored, rest.reused) == (len(splits) - first.scored, first.scored)


def test_broken_images_are_counted_and_bounded(pool: Path) -> None:
    (pool / "unlabelled" / "dark3.png").write_bytes(b"")
    (pool / "unlabelled" / "dark4.png").write_bytes((pool / "unlabelled" / "dark4.png").read_bytes()[:80])
    alcli("init", pool)
    done = alcli("score", "--workers", 2, pool)
    assert "2 unreadable" in done.stderr
    _, manifest = stored(pool)
    assert {
        n
        for n, s in zip(manifest.strings("file_name"), manifest.strings("status"), strict=False)
        if s == "unreadable"
    } == {
        "unlabelled/dark3.png",
        "unlabelled/dark4.png",
    }
    failed = alcli("score", "--max-bad", 1, pool, code=5)
    assert "unlabelled/dark3.png" in failed.stderr


def test_every_image_unreadable(pool: Path) -> None:
    for path in pool.rglob("*.png"):
        path.write_bytes(b"gone")
    alcli("init", pool)
    assert summary(pool)["unreadable"] == 32
    assert "nothing left to query" in alcli("select", "--strategy", "random", pool, code=4).stderr


def test_monte_carlo_passes_are_saved_on_request_and_kept_afterwards(pool: Path) -> None:
    summary(pool)
    assert "mc_probabilities" in summary("--mc-samples", 3, pool)["signals"]
    store, manifest = stored(pool)
    passes = store.read(["mc_probabilities"], manifest.keys)["mc_probabilities"]
    assert passes.shape == (32, 3, 2)
    assert passes.sum(axis=2, dtype=np.float64) == pytest.approx(1, abs=2e-3)
    assert (passes[:, 0] != passes[:, 1]).any()
    assert summary(pool)["reused"] == 32  # a plain `score` afterwards keeps to what is saved


def test_parts_of_a_store_that_was_half_removed_do_not_come_back(pool: Path) -> None:
    summary(pool)
    store, _ = stored(pool)
    (store.folder / "signals.json").unlink()  # a kill came while `score` made room for other signals
    assert summary("--mc-samples", 3, pool)["scored"] == 32
    store, manifest = stored(pool)
    assert len(store.keys) == 32
    assert store.read(["mc_probabilities"], manifest.keys)["mc_probabilities"].shape == (32, 3, 2)


def test_one_pass_and_no_dropout_are_refused(pool: Path) -> None:
    assert "at least 2" in alcli("score", "--mc-samples", 1, pool, code=2).stderr
    alcli("train", "--epochs", 1, "--model", "lenet5", pool)
    alcli("score", pool)
    before = len(stored(pool)[0].keys)
    done = alcli("score", "--mc-samples", 5, pool, code=2)
    assert len(stored(pool)[0].keys) == before == 32  # what was scored is not lost
    assert "no active dropout" in done.stderr
    assert "--dropout" in done.stderr


def test_only_the_largest_probabilities_on_request(pool: Path) -> None:
    done = summary("--probabilities", "top:1", pool)
    assert "probabilities" not in done["signals"]
    store, manifest = stored(pool)
    found = store.read(["top_probabilities", "top_classes", "confidence", "prediction"], manifest.keys)
    assert found["top_probabilities"][:, 0] == pytest.approx(found["confidence"], abs=1e-6)
    assert np.array_equal(found["top_classes"][:, 0], found["prediction"])
    alcli("select", "--strategy", "margin", "-k", 2, pool)  # the scalars were made of all probabilities


def test_a_bad_count_of_probabilities(pool: Path) -> None:
    assert "top:M" in alcli("score", "--probabilities", "top:0", pool, code=2).stderr


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "ROWS_PER_PART", 10)
    whole = Path(shutil.copytree(pool, pool.with_name("whole")))
    summary("--batch-size", 5, whole)
    project, calls = Project.open(pool), []

    real = Scorer.of_pixels

    def interrupted(self: Any, pixels: np.ndarray) -> Any:
        calls.append("batch")
        if calls.count("batch") == 6:
            raise KeyboardInterrupt
        return real(self, pixels)

    monkeypatch.setattr(Scorer, "of_pixels", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scoring.score(project, models.newest(project), batch_size=5, workers=0)
    monkeypatch.setattr(Scorer, "of_pixels", real)
    done = summary("--batch-size", 5, pool)
    assert 0 < done["scored"] < 32
    one, other = stored(pool)[0], stored(whole)[0]
    assert [path.read_bytes() for path in one.parts] == [path.read_bytes() for path in other.parts]


def test_without_a_model_the_message_names_the_command(tmp_path: Path, image_folder: Path) -> None:
    assert "alcli init" in alcli("score", image_folder, code=3).stderr
    alcli("init", image_folder)
    assert "alcli train" in alcli("score", image_folder, code=3).stderr


def test_frozen_features_are_shared_by_train_and_score(pool: Path) -> None:
    alcli("train", "--freeze-backbone", "--epochs", 5, pool)
    done = summary(pool)
    assert done["scored"] == 32
    store, manifest = stored(pool)
    assert np.isfinite(store.read(["probabilities"], manifest.keys)["probabilities"]).all()
    features = list((pool / ".alcli/signals").glob("features-*"))
    assert len(features) == 1
    assert len(SignalStore(features[0]).keys) == 32
    (pool / "unlabelled" / "dark3.png").write_bytes(b"")
    alcli("init", pool)
    assert summary(pool)["unreadable"] == 1
    assert summary(pool)["unreadable"] == 0


def test_a_dry_run_counts_and_writes_nothing(
    pool: Path, snapshot: Callable[[Path], dict[str, bytes]]
) -> None:
    before = snapshot(pool)
    assert "would score 32 images" in alcli("score", "-n", pool).stderr
    assert "would train lenet on" in alcli("train", "-n", pool).stderr
    assert snapshot(pool) == before
    summary(pool)
    assert "would score 0 images; 32 are" in alcli("score", "-n", pool).stderr
    assert "would score 32 images" in alcli("score", "-n", "--mc-samples", 3, pool).stderr


def test_outputs_of_another_model(pool: Path, tmp_path: Path) -> None:
    names = manifests.read(pool / "metadata.parquet").strings("file_name")
    p = np.linspace(0.5, 1, len(names))
    pq.write_table(
        pa.table({"file_name": names, "probabilities": np.stack([p, 1 - p], 1).tolist()}),
        tmp_path / "o.parquet",
    )
    done = summary("--from", tmp_path / "o.parquet", pool)
    assert done["images"] == 32
    alcli("select", "--strategy", "margin", "-k", 1, "-o", tmp_path / "s.csv", pool)
    queryable = [name for name in names if str(name).startswith("unlabelled")]
    assert f",{queryable[0]}," in (tmp_path / "s.csv").read_text()
    assert "score --from" in alcli("score", pool, code=3).stderr


def test_nan_in_outputs_names_the_image_and_changes_nothing(pool: Path, tmp_path: Path) -> None:
    names = manifests.read(pool / "metadata.parquet").strings("file_name")
    rows = [[0.5, 0.5]] * (len(names) - 1) + [[float("nan"), 0.5]]
    pq.write_table(pa.table({"file_name": names, "probabilities": rows}), tmp_path / "o.parquet")
    assert str(names[-1]) in alcli("score", "--from", tmp_path / "o.parquet", pool, code=5).stderr
    assert not models.newest(Project.open(pool)).external
