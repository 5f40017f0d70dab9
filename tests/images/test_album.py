"""An album hands out what a decoding pool does, without decoding."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from alcli.errors import InputRejected
from alcli.images.album import PIXELS, RECORD, Album, opened
from alcli.images.pipeline import CRASHED, DecodePool
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


def test_an_album_of_other_content_is_filled_anew(paths: list[str], tmp_path: Path) -> None:
    """The same paths, the same sizes: what they hold decides."""
    before = Album.fill(tmp_path / "album", paths[:2], GREY, workers=0)
    first, second = (Path(path).read_bytes() for path in paths[:2])
    Path(paths[0]).write_bytes(second)
    Path(paths[1]).write_bytes(first)
    assert Album.fill(tmp_path / "album", paths[:2], GREY, workers=0).sha256 == before.sha256
    after = Album.fill(tmp_path / "album", paths[:2], GREY, sha256=before.sha256[::-1], workers=0)
    assert after.sha256 == before.sha256[::-1]
    written = (tmp_path / "album" / PIXELS).stat().st_mtime_ns
    Album.fill(tmp_path / "album", paths[:2], GREY, sha256=after.sha256, workers=0)
    assert (tmp_path / "album" / PIXELS).stat().st_mtime_ns == written


def test_content_that_a_crash_kept_unknown_is_no_other_content(paths: list[str], tmp_path: Path) -> None:
    album = Album.fill(tmp_path / "album", paths, GREY, workers=0)
    should = list(album.sha256)
    assert should[5] is None, "the file is not there"
    assert album.differing(should) == []
    assert album.differing([*should[:5], "f" * 64, *should[6:]]) == [5]
    record = json.loads((tmp_path / "album" / RECORD).read_text())
    record["problems"][1], record["sha256"][1] = CRASHED, None
    (tmp_path / "album" / RECORD).write_text(json.dumps(record))
    assert Album(tmp_path / "album").differing(should) == []


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
