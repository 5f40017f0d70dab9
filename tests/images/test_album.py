"""An album hands out what a decoding pool does, without decoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from alcli.errors import InputRejected
from alcli.images.album import PIXELS, RECORD, Album, opened
from alcli.images.pipeline import DecodePool
from alcli.images.transform import Transform

from tests.conftest import draw

GREY = Transform(image_size=12, channels=1)


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Seven images, the fourth of them broken, the sixth not there."""
    found = [str(draw(tmp_path / "images" / f"{n}.png", shade=20 * n, seed=n)) for n in range(7)]
    Path(found[3]).write_bytes(b"broken")
    Path(found[5]).unlink()
    return found


def test_the_same_batches_as_decoding(paths: list[str], tmp_path: Path) -> None:
    album = Album.fill(tmp_path / "album", paths, GREY, workers=0)
    order = [paths[n] for n in (2, 3, 4, 5, 6, 0, 0)]
    with DecodePool(GREY, workers=0) as pool:
        expected = list(pool.stream(order, batch_size=3))
    found = list(album.stream(order, batch_size=3))
    assert len(found) == len(expected) == 3
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.start == theirs.start
        assert np.array_equal(mine.pixels, theirs.pixels)
        assert (mine.problems, mine.sha256) == (theirs.problems, theirs.sha256)
        assert mine.sizes.tolist() == theirs.sizes.tolist()
        assert mine.mtimes_ns.tolist() == theirs.mtimes_ns.tolist()


def test_what_is_handed_out_may_be_changed(paths: list[str], tmp_path: Path) -> None:
    album = Album.fill(tmp_path / "album", paths, GREY, workers=0)
    for batch in album.stream(paths[:2], batch_size=2):
        batch.pixels[:] = 0
    assert next(album.stream(paths[:2], batch_size=2)).pixels.any()


def test_it_is_filled_once(paths: list[str], tmp_path: Path) -> None:
    Album.fill(tmp_path / "album", paths, GREY, workers=0)
    written = (tmp_path / "album" / PIXELS).stat().st_mtime_ns
    Album.fill(tmp_path / "album", paths, GREY, workers=0)
    assert (tmp_path / "album" / PIXELS).stat().st_mtime_ns == written
    other = Album.fill(tmp_path / "album", paths[:2], GREY, workers=0)
    assert other.paths == paths[:2]


def test_what_a_killed_run_left_counts_for_nothing(paths: list[str], tmp_path: Path) -> None:
    Album.fill(tmp_path / "album", paths, GREY, workers=0)
    pixels = (tmp_path / "album" / PIXELS).read_bytes()
    (tmp_path / "album" / RECORD).unlink()
    (tmp_path / "album" / PIXELS).write_bytes(pixels[:200])
    album = Album.fill(tmp_path / "album", paths, GREY, workers=0)
    assert next(album.stream(paths[:1], batch_size=1)).pixels.any()


def test_an_image_that_is_not_in_it(paths: list[str], tmp_path: Path) -> None:
    album = Album.fill(tmp_path / "album", paths, GREY, workers=0)
    with pytest.raises(InputRejected, match="was not there"):
        list(album.stream(["elsewhere.png"], batch_size=1))


def test_an_album_of_another_transform_is_refused(paths: list[str], tmp_path: Path) -> None:
    album = Album.fill(tmp_path / "album", paths, GREY, workers=0)
    assert opened(album, GREY) is album
    with pytest.raises(ValueError, match="was made for"):
        opened(album, Transform(image_size=12, channels=3))


def test_processes_share_one_file(paths: list[str], tmp_path: Path) -> None:
    first = Album.fill(tmp_path / "album", paths, GREY, workers=0)
    second = Album(tmp_path / "album")
    assert np.array_equal(
        next(first.stream(paths, batch_size=7)).pixels, next(second.stream(paths, batch_size=7)).pixels
    )
