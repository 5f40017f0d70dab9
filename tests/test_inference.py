"""The one loop over images: parts, resuming, files that change, files that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alcli import inference
from alcli.errors import InputRejected
from alcli.images.transform import Transform
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.signals import SignalStore
from numpy.typing import NDArray

from tests.conftest import draw

GREY = Transform(image_size=16, channels=1)
MEAN = {"mean": {"shape": [], "dtype": "float32"}}


def mean_shade(pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    return {"mean": pixels.reshape(len(pixels), -1).mean(axis=1).astype(np.float32)}


def manifest_of(pool: Path) -> Manifest:
    paths = sorted(pool.glob("*.png"))
    facts = [path.stat() for path in paths]
    return Manifest.build(
        {
            "file_name": [path.name for path in paths],
            "size": [fact.st_size for fact in facts],
            "mtime_ns": [fact.st_mtime_ns for fact in facts],
        },
        [],
    )


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    for index in range(10):
        draw(tmp_path / "pool" / f"{index}.png", shade=20 * index, seed=index)
    return tmp_path / "pool"


def save(
    pool: Path, store: SignalStore, manifest: Manifest, compute: Any = mean_shade, **how: Any
) -> tuple[int, int]:
    """Save what is stale; return how many images that was, and how many were unreadable."""
    if not store:
        store.create(model="m", signals=MEAN)
    rows = inference.stale_rows(manifest, np.arange(len(manifest)), store)
    how = {"batch_size": 3, "workers": 0, **how}
    return len(rows), inference.save_signals(Project.open(pool), manifest, rows, store, GREY, compute, **how)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize("workers", [0, 2])
def test_every_image_gets_the_signal_of_its_own_pixels(
    pool: Path, tmp_path: Path, batch_size: int, workers: int
) -> None:
    from PIL import Image

    store, manifest = SignalStore(tmp_path / "s"), manifest_of(pool)
    save(pool, store, manifest, batch_size=batch_size, workers=workers)
    expected = [np.asarray(Image.open(pool / f"{index}.png")).mean() for index in range(10)]
    assert store.read(["mean"], manifest.keys)["mean"] == pytest.approx(expected, rel=1e-6)


def test_a_second_run_has_nothing_to_do(pool: Path, tmp_path: Path) -> None:
    store, manifest = SignalStore(tmp_path / "s"), manifest_of(pool)
    assert save(pool, store, manifest)[0] == 10
    assert save(pool, store, manifest)[0] == 0


def test_a_killed_run_goes_on_after_its_last_part_with_the_same_batches(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "ROWS_PER_PART", 4)  # batches of 3: a part holds 3 images
    manifest = manifest_of(pool)
    batches: list[list[int]] = []

    def remembered(pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        batches.append(pixels[:, 0, 0, 0].tolist())
        return mean_shade(pixels)

    save(pool, SignalStore(tmp_path / "whole"), manifest, remembered)
    whole, batches[:] = list(batches), []

    def killed(pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        if len(batches) == 2:
            raise KeyboardInterrupt
        return remembered(pixels)

    store = SignalStore(tmp_path / "resumed")
    with pytest.raises(KeyboardInterrupt):
        save(pool, store, manifest, killed)
    assert len(SignalStore(store.folder).keys) == 6
    assert save(pool, SignalStore(store.folder), manifest, remembered)[0] == 4
    assert batches == whole
    for one, other in zip(
        sorted((tmp_path / "whole").glob("*.arrow")), sorted(store.folder.glob("*.arrow")), strict=True
    ):
        assert one.read_bytes() == other.read_bytes()


def test_a_broken_image_is_a_row_with_a_reason_and_moves_no_other(pool: Path, tmp_path: Path) -> None:
    (pool / "4.png").write_bytes((pool / "4.png").read_bytes()[:60])
    (pool / "7.png").write_bytes(b"")
    store, manifest = SignalStore(tmp_path / "s"), manifest_of(pool)
    assert save(pool, store, manifest) == (10, 2)
    found = inference.with_findings(manifest, store)
    assert found.strings("status") == ["ok"] * 4 + ["unreadable"] + ["ok"] * 2 + ["unreadable"] + ["ok"] * 2
    assert all(found.strings("problem", np.array([4, 7])))
    good = np.flatnonzero(found.readable)
    shades = store.read(["mean"], found.keys[good])["mean"]
    assert shades == pytest.approx([20 * row for row in good], abs=12)
    assert save(pool, store, found)[0] == 0  # a broken image is not tried again until its file changes


def test_findings_fill_in_digests(pool: Path, tmp_path: Path) -> None:
    import hashlib

    store, manifest = SignalStore(tmp_path / "s"), manifest_of(pool)
    save(pool, store, manifest)
    found = inference.with_findings(manifest, store)
    assert found.strings("sha256") == [
        hashlib.sha256((pool / f"{i}.png").read_bytes()).hexdigest() for i in range(10)
    ]
    assert inference.with_findings(found, store) is found


def test_a_replaced_file_is_read_again(pool: Path, tmp_path: Path) -> None:
    store = SignalStore(tmp_path / "s")
    (pool / "3.png").write_bytes(b"broken")
    save(pool, store, manifest_of(pool))
    draw(pool / "3.png", shade=200, seed=77)
    draw(pool / "5.png", shade=250, seed=78)
    manifest = manifest_of(pool)
    assert save(pool, store, manifest)[0] == 2
    found = inference.with_findings(manifest, store)
    assert set(found.strings("status")) == {"ok"}
    assert store.read(["mean"], manifest.keys[[3, 5]])["mean"] == pytest.approx([200, 244], abs=12)


def test_a_file_that_changed_since_init_is_not_scored_for_ever(pool: Path, tmp_path: Path) -> None:
    store, manifest = SignalStore(tmp_path / "s"), manifest_of(pool)
    draw(pool / "2.png", shade=90, seed=5, side=20)
    save(pool, store, manifest)
    found = inference.with_findings(manifest, store)
    assert found.table["size"].to_pylist()[2] == (pool / "2.png").stat().st_size
    assert save(pool, store, found)[0] == 0


def test_nan_is_an_error_that_names_the_image(pool: Path, tmp_path: Path) -> None:
    def poisoned(pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        means = mean_shade(pixels)["mean"]
        return {"mean": np.where(means > 150, np.nan, means).astype(np.float32)}

    with pytest.raises(InputRejected, match="mean is not finite") as failure:
        save(pool, SignalStore(tmp_path / "s"), manifest_of(pool), poisoned, batch_size=10)
    assert failure.value.details == ["8.png", "9.png"]


def test_derived_signals_follow_their_source(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "ROWS_PER_PART", 4)
    source, manifest = SignalStore(tmp_path / "source"), manifest_of(pool)
    save(pool, source, manifest)
    store = SignalStore(tmp_path / "derived")
    store.create(model="m", signals={"twice": MEAN["mean"]})
    inference.derive_signals(source, "mean", store, manifest.keys, lambda mean: {"twice": 2 * mean})
    means, twice = source.read(["mean"], manifest.keys)["mean"], store.read(["twice"], manifest.keys)["twice"]
    assert np.array_equal(twice, 2 * means)
    assert len(inference.stale_rows(manifest, np.arange(10), store)) == 0
