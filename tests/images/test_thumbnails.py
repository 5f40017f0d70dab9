"""Small pictures for a page: what they show, how large they are, and what cannot be shown."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from alcli.images import thumbnails as module
from alcli.images.thumbnails import MAX_BYTES, SIDES, most_bytes, side_for, thumbnails
from PIL import Image

RED, BLUE = (250, 20, 20), (20, 20, 250)


def opened(url: str) -> Image.Image:
    head, _, data = url.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def saved(path: Path, size: tuple[int, int], colour: tuple[int, int, int] = RED) -> str:
    Image.new("RGB", size, colour).save(path)
    return str(path)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((400, 200), (96, 48)),
        ((300, 900), (32, 96)),
        ((96, 96), (96, 96)),
        ((28, 28), (28, 28)),
        ((1, 1), (1, 1)),
        ((2000, 2), (96, 1)),
    ],
)
def test_proportions_are_kept_and_nothing_is_enlarged(
    tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    (url,) = thumbnails([saved(tmp_path / "a.png", size)], workers=0)
    assert opened(url).size == expected


def test_each_url_shows_its_own_image_whoever_decodes(tmp_path: Path) -> None:
    colours = [(int(r), int(g), 128) for r in (20, 230) for g in (20, 120, 230)]
    paths = [saved(tmp_path / f"{at}.png", (40, 40), colour) for at, colour in enumerate(colours)]
    urls = thumbnails(paths, workers=0)
    for url, colour in zip(urls, colours, strict=True):
        assert np.abs(np.asarray(opened(url).convert("RGB"), int) - colour).max() < 12
    assert thumbnails(paths, workers=2) == urls


def test_a_photograph_lies_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (200, 100), RED)
    image.paste(BLUE, (0, 0, 100, 100))  # blue left, red right
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: left comes to the top
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    shown = opened(thumbnails([str(tmp_path / "a.jpg")], workers=0)[0]).convert("RGB")
    assert shown.size == (48, 96)
    top, bottom = shown.getpixel((24, 10)), shown.getpixel((24, 86))
    assert (top[2] > 200 > top[0], bottom[0] > 200 > bottom[2]) == (True, True)


def test_files_of_all_kinds(tmp_path: Path) -> None:
    """16-bit, CMYK, palette with transparency: pictures; nonsense, nothing, half a file: an empty string."""
    Image.fromarray(np.full((20, 20), 40_000, np.uint16)).save(tmp_path / "a.png")
    Image.new("CMYK", (20, 20), (0, 255, 255, 0)).save(tmp_path / "b.jpg")
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "c.png")
    (tmp_path / "d.png").write_bytes(b"no image")
    (tmp_path / "e.png").write_bytes(b"")
    saved(tmp_path / "whole.jpg", (300, 300))
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "f.jpg").write_bytes(whole[: len(whole) // 2])
    names = ["a.png", "b.jpg", "c.png", "d.png", "e.png", "f.jpg", "gone.png"]
    urls = thumbnails([str(tmp_path / name) for name in names], workers=0)
    middles = [opened(url).convert("RGB").getpixel((10, 10)) for url in urls[:3]]
    assert middles[0][0] == pytest.approx(40_000 / 257, abs=3)
    assert middles[1][0] > 200 > middles[1][1]
    assert min(middles[2]) > 250  # transparency shows white
    assert urls[3:] == [""] * 4
    assert thumbnails([]) == []


def test_noise_is_kept_small_by_lower_quality(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    (url,) = thumbnails([str(tmp_path / "noise.png")], workers=0)
    assert len(base64.b64decode(url.partition(",")[2])) <= most_bytes(96)


def test_the_more_there_are_the_smaller_they_get() -> None:
    counts = (1, 1_000, 4_000, 5_000, 6_800, 7_000, 10_000, 11_000, 18_000, 1_000_000)
    assert [side_for(count) for count in counts] == [96, 96, 96, 80, 80, 64, 64, 48, 48, 48]
    for count in (4_000, 6_800, 10_000, 18_000):
        assert count * most_bytes(side_for(count)) <= MAX_BYTES
    assert 4 / 3 * MAX_BYTES < 17 * 2**20  # leaves room for the rest of a page below 20 MB
    assert all(most_bytes(side) + module._LENGTH_BYTES < side * side * 3 for side in SIDES)
