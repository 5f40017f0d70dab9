"""Decoding: every kind of pixel becomes 8-bit grey or RGB, and everything else becomes a problem in words."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alcli.images.decoding import Decoded, decode, load_image
from alcli.images.transform import Transform
from numpy.typing import NDArray
from PIL import Image, features

EXIF_ORIENTATION = 0x0112
RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def plain(side: int = 8, channels: int = 3, **options: Any) -> Transform:
    return Transform(side, channels, interpolation="nearest", **options)


def pixels_of(decoded: Decoded) -> NDArray[np.uint8]:
    assert decoded.problem is None, decoded.problem
    assert decoded.pixels is not None
    return decoded.pixels


@pytest.fixture
def colour_of(tmp_path: Path) -> Callable[..., Any]:
    """Save an 8x8 image, decode it, return the colour of its middle pixel."""

    def decoded_colour(image: Image.Image, name: str, *, channels: int = 3, **options: Any) -> Any:
        image.save(tmp_path / name, **options)
        middle = pixels_of(decode(str(tmp_path / name), plain(channels=channels)))[4, 4]
        return tuple(int(value) for value in middle)

    return decoded_colour


# --- what a good file gives -----------------------------------------------------------------------


def test_facts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    values = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(values).save(path)
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    decoded = decode(str(path), plain(channels=1))
    np.testing.assert_array_equal(pixels_of(decoded)[:, :, 0], values)
    assert decoded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert decoded.size == path.stat().st_size
    assert decoded.mtime_ns == 1_700_000_000_123_456_789


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_every_transform_gives_its_shape(
    tmp_path: Path, channels: int, interpolation: str, resize: str
) -> None:
    Image.new("RGB", (31, 17), RED).save(tmp_path / "a.png")
    transform = Transform(12, channels, resize, 0.875, interpolation)
    pixels = pixels_of(decode(str(tmp_path / "a.png"), transform))
    assert pixels.shape == (12, 12, channels)
    assert pixels.dtype == np.uint8
    assert set(pixels.reshape(-1, channels)[:, 0].tolist()) == {255 if channels == 3 else 76}  # 0.299 × 255


def test_squash_keeps_everything_and_crop_keeps_the_centre(tmp_path: Path) -> None:
    stripes = np.zeros((4, 12, 3), np.uint8)
    stripes[:, :4], stripes[:, 4:8], stripes[:, 8:] = RED, GREEN, BLUE
    Image.fromarray(stripes).save(tmp_path / "a.png")
    squashed = pixels_of(decode(str(tmp_path / "a.png"), plain(6)))
    assert squashed[0].tolist() == [list(RED)] * 2 + [list(GREEN)] * 2 + [list(BLUE)] * 2
    cropped = pixels_of(decode(str(tmp_path / "a.png"), plain(4, resize="crop")))
    assert set(map(tuple, cropped.reshape(-1, 3).tolist())) == {GREEN}


def test_crop_pct_keeps_that_share_of_the_shorter_side(tmp_path: Path) -> None:
    values = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "a.png")
    transform = Transform(4, 1, resize="crop", crop_pct=0.5)
    pixels = pixels_of(decode(str(tmp_path / "a.png"), transform))[:, :, 0]
    np.testing.assert_array_equal(pixels, values[2:6, 2:6])


@pytest.mark.parametrize("size", [(9, 6), (6, 9)])
def test_a_crop_without_a_change_of_scale_copies_pixels(tmp_path: Path, size: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 256, size[::-1], np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    pixels = pixels_of(decode(str(tmp_path / "a.png"), Transform(6, 1, resize="crop")))[:, :, 0]
    left, upper = (size[0] - 6) // 2, (size[1] - 6) // 2
    np.testing.assert_array_equal(pixels, values[upper : upper + 6, left : left + 6])


def test_a_resize_is_pillows(tmp_path: Path) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8))
    image.save(tmp_path / "a.png")
    pixels = pixels_of(decode(str(tmp_path / "a.png"), Transform(16, 3, interpolation="bicubic")))
    np.testing.assert_array_equal(pixels, np.asarray(image.resize((16, 16), Image.Resampling.BICUBIC)))


# --- modes and formats ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "colour", "name", "expected"),
    [
        ("1", 1, "a.png", WHITE),
        ("1", 1, "a.tif", WHITE),
        ("L", 100, "a.bmp", (100, 100, 100)),
        ("P", 0, "a.gif", BLACK),
        ("RGB", RED, "a.webp", RED),
        ("RGB", RED, "a.ppm", RED),
        ("RGB", RED, "a.tif", RED),
        ("RGB", RED, "a.tga", RED),
        ("RGB", RED, "a.ico", RED),
        ("RGB", RED, "a.jp2", RED),
        ("RGB", RED, "a.qoi", RED),
        ("YCbCr", (255, 128, 128), "a.tif", WHITE),
        ("LAB", (255, 128, 128), "a.tif", WHITE),
        ("CMYK", (0, 0, 0, 0), "a.tif", WHITE),
        ("CMYK", (0, 0, 0, 255), "a.tif", BLACK),
        ("RGBX", (255, 0, 0, 7), "a.tif", RED),
    ],
)
def test_a_mode_becomes_rgb(
    colour_of: Callable[..., Any], mode: str, colour: Any, name: str, expected: tuple[int, ...]
) -> None:
    options = {"lossless": True} if name.endswith("webp") else {}
    got = colour_of(Image.new(mode, (8, 8), colour), name, **options)
    np.testing.assert_allclose(got, expected, atol=1)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif(colour_of: Callable[..., Any]) -> None:
    np.testing.assert_allclose(colour_of(Image.new("RGB", (8, 8), RED), "a.avif"), RED, atol=6)


@pytest.mark.parametrize(
    ("ink", "expected"), [((0, 0, 0, 0), WHITE), ((0, 255, 255, 0), RED), ((0, 0, 0, 255), BLACK)]
)
def test_inverted_cmyk_jpegs_keep_their_colours(
    colour_of: Callable[..., Any], ink: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    got = colour_of(Image.new("CMYK", (8, 8), ink), "a.jpg", quality=100)
    np.testing.assert_allclose(got, expected, atol=4)


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (128, 0), (129, 1), (0x8080, 128), (0x64 * 257, 100), (65535, 255)]
)
@pytest.mark.parametrize(("kind", "name"), [("<u2", "a.png"), ("<u2", "a.tif"), ("<u2", "a.jp2")])
def test_sixteen_bit_grey_is_scaled_not_clipped(
    colour_of: Callable[..., Any], value: int, expected: int, kind: str, name: str
) -> None:
    image = Image.fromarray(np.full((8, 8), value, kind))
    assert colour_of(image, name, channels=1) == (expected,)
    assert colour_of(image, name) == (expected,) * 3


def test_big_endian_sixteen_bit_tiff(colour_of: Callable[..., Any]) -> None:
    values = np.full((8, 8), 0x64 * 257, ">u2")
    image = Image.frombytes("I;16B", (8, 8), values.tobytes())
    assert colour_of(image, "a.tif", channels=1) == (100,)


def test_sixteen_bit_portable_grey_map(tmp_path: Path) -> None:
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 8 8 65535\n" + struct.pack(">H", 200 * 257) * 64)
    assert set(pixels_of(decode(str(path), plain(channels=1))).ravel().tolist()) == {200}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.2, 1.0], [0, 51, 255]),  # a share
        ([0.0, 51.0, 200.0], [0, 51, 200]),  # 8 bits
        ([-1.0, 0.0, 1.0], [0, 128, 255]),  # another range: its own
        ([1000.0, 1500.0, 3000.0], [0, 64, 255]),
        ([5000.0, 5000.0, 5000.0], [0, 0, 0]),
        ([0.0, float("nan"), 1.0], [0, 0, 255]),
        ([float("-inf"), 0.2, float("inf")], [0, 51, 255]),
    ],
)
def test_floats_take_the_range_they_are_in(tmp_path: Path, values: list[float], expected: list[int]) -> None:
    Image.fromarray(np.tile(np.array(values, np.float32), (3, 1))).save(tmp_path / "a.tif")
    pixels = pixels_of(decode(str(tmp_path / "a.tif"), plain(3, 1)))
    assert pixels[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 257, 65535], [0, 1, 255]), ([-100, 0, 300], [0, 64, 255]), ([0, 1, 1 << 20], [0, 0, 255])],
)
def test_wide_integers_take_sixteen_bits_or_their_own_range(
    tmp_path: Path, values: list[int], expected: list[int]
) -> None:
    Image.fromarray(np.tile(np.array(values, np.int32), (3, 1))).save(tmp_path / "a.tif")
    assert pixels_of(decode(str(tmp_path / "a.tif"), plain(3, 1)))[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("mode", "colour", "name", "expected"),
    [
        ("RGBA", (*RED, 0), "a.png", WHITE),  # what is hidden does not show
        ("RGBA", (*RED, 255), "a.png", RED),
        ("RGBA", (0, 0, 0, 51), "a.png", (204, 204, 204)),  # 255 × (1 - 51 / 255)
        ("LA", (0, 0), "a.png", WHITE),
        ("LA", (100, 255), "a.png", (100, 100, 100)),
        ("RGBA", (*RED, 0), "a.webp", WHITE),
        ("RGBA", (*RED, 0), "a.tif", WHITE),
    ],
)
def test_transparency_shows_white(
    colour_of: Callable[..., Any], mode: str, colour: Any, name: str, expected: tuple[int, ...]
) -> None:
    assert colour_of(Image.new(mode, (8, 8), colour), name) == expected
    assert colour_of(Image.new(mode, (8, 8), colour), name, channels=1) in [(expected[0],), (76,)]


@pytest.mark.parametrize(
    ("grey", "alpha", "expected"), [(0, 0, 255), (51, 51, 255), (0, 51, 204), (99, 255, 99)]
)
def test_a_tiff_whose_grey_is_premultiplied(tmp_path: Path, grey: int, alpha: int, expected: int) -> None:
    file = io.BytesIO()
    Image.new("LA", (8, 8), (grey, alpha)).save(file, "TIFF")
    unassociated, associated = (struct.pack("<HHIHH", 338, 3, 1, kind, 0) for kind in (2, 1))
    assert unassociated in file.getvalue()
    (tmp_path / "a.tif").write_bytes(file.getvalue().replace(unassociated, associated))
    assert set(pixels_of(decode(str(tmp_path / "a.tif"), plain(channels=1))).ravel().tolist()) == {expected}


@pytest.mark.parametrize(
    ("mode", "colour", "transparency"),
    [("L", 9, 9), ("RGB", RED, RED), ("P", 3, 3), ("P", 3, bytes([255, 255, 255, 0])), ("1", 0, 0)],
)
def test_a_transparent_colour_shows_white(
    colour_of: Callable[..., Any], mode: str, colour: Any, transparency: Any
) -> None:
    image = Image.new(mode, (8, 8), colour)
    if mode == "P":
        image.putpalette([*BLACK, *BLACK, *BLACK, *BLUE])
    assert colour_of(image, "a.png", transparency=transparency) == WHITE


def test_a_transparent_sixteen_bit_grey_shows_white(tmp_path: Path) -> None:
    values = np.full((4, 4), 300, ">u2")
    values[0, 0] = 300 + 256
    path = tmp_path / "a.png"
    path.write_bytes(
        png(4, 4, bits=16, colour_type=0, rows=values.tobytes(), extra=[(b"tRNS", struct.pack(">H", 300))])
    )
    assert pixels_of(decode(str(path), plain(4, 1)))[:2, :2, 0].tolist() == [[2, 255], [255, 255]]


def test_a_palette_gives_its_colours(colour_of: Callable[..., Any]) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([*BLACK, 10, 20, 30])
    assert colour_of(image, "a.png") == (10, 20, 30)


def test_a_palette_image_without_a_palette_is_black(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 2, bits=8, colour_type=3, rows=bytes([0, 1, 1, 0])))
    assert pixels_of(decode(str(path), plain(2)))[:, :, 0].max() <= 1


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_the_first_frame_counts(colour_of: Callable[..., Any], name: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if name.endswith("webp") else {}
    assert colour_of(frames[0], name, save_all=True, append_images=frames[1:], **options) == RED


def test_the_content_decides_not_the_extension(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        Image.new("RGB", (8, 8), RED).save(file, "PNG")
    assert tuple(pixels_of(decode(str(tmp_path / "a.jpg"), plain()))[0, 0].tolist()) == RED


# --- EXIF -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orientation", "corners"),  # the stored image has corners R G / B W, read left to right and downwards
    [
        (1, "RGBW"), (2, "GRWB"), (3, "WBGR"), (4, "BWRG"),
        (5, "RBGW"), (6, "BRWG"), (7, "WGBR"), (8, "GWRB"),
        (9, "RGBW"), (0, "RGBW"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, corners: str, name: str) -> None:
    letters = {"R": RED, "G": GREEN, "B": BLUE, "W": WHITE}
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :16], stored[:8, 16:], stored[8:, :16], stored[8:, 16:] = (
        letters[letter] for letter in "RGBW"
    )
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    options: dict[str, Any] = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}
    path = tmp_path / name
    Image.fromarray(stored).save(path, exif=exif, **options.get(path.suffix, {}))
    pixels = pixels_of(decode(str(path), plain(8)))
    got = [pixels[1, 1], pixels[1, 6], pixels[6, 1], pixels[6, 6]]
    np.testing.assert_allclose(np.array(got, int), [letters[letter] for letter in corners], atol=6)


def test_exif_orientation_survives_draft(tmp_path: Path) -> None:
    stored = np.zeros((256, 512), np.uint8)
    stored[:, 256:] = 255
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6  # the right half, white, goes to the bottom
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif)
    pixels = pixels_of(decode(str(tmp_path / "a.jpg"), Transform(16, 1)))[:, :, 0]
    assert pixels[:7].max() < 10
    assert pixels[9:].min() > 245


@pytest.mark.parametrize(
    "block", [b"Exif\x00\x00", b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff", b"Exif\x00\x00" + bytes(40)]
)
def test_a_broken_exif_block_costs_nothing(tmp_path: Path, block: bytes) -> None:
    values = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    for name in ("a.png", "a.jpg"):
        Image.fromarray(values).save(tmp_path / name, exif=block)
        Image.fromarray(values).save(tmp_path / f"plain-{name}")
        with_block, without = (decode(str(tmp_path / each), plain(16, 1)) for each in (name, f"plain-{name}"))
        np.testing.assert_array_equal(pixels_of(with_block), pixels_of(without))


# --- draft ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needed", "size"),
    [(None, (1000, 600)), (601, (1000, 600)), (301, (1000, 600)), (300, (500, 300)), (150, (250, 150)),
     (75, (125, 75)), (1, (125, 75))],
)  # fmt: skip
def test_draft_never_goes_below_what_is_needed(needed: int | None, size: tuple[int, int]) -> None:
    file = io.BytesIO()
    Image.new("RGB", (1000, 600)).save(file, "JPEG")
    assert load_image(file.getvalue(), draft_to=needed).size == size


@pytest.mark.parametrize("channels", [1, 3])
def test_draft_changes_pixels_a_little_and_can_be_switched_off(tmp_path: Path, channels: int) -> None:
    ramp = np.add.outer(np.arange(400), np.arange(600)) / 1000 * 255
    image = Image.fromarray(np.stack([ramp, 255 - ramp, ramp / 2], -1).astype(np.uint8))
    image.save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as full:
        exact = full.convert("L" if channels == 1 else "RGB").resize((64, 64), Image.Resampling.BILINEAR)
    expected = np.asarray(exact).reshape(64, 64, channels)
    drafted = pixels_of(decode(str(tmp_path / "a.jpg"), Transform(64, channels)))
    whole = pixels_of(decode(str(tmp_path / "a.jpg"), Transform(64, channels, draft=False)))
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_allclose(drafted.astype(int), expected.astype(int), atol=3)
    assert not np.array_equal(drafted, whole)


# --- problems -------------------------------------------------------------------------------------


def png(
    width: int,
    height: int,
    *,
    bits: int,
    colour_type: int,
    rows: bytes,
    extra: list[tuple[bytes, bytes]] | None = None,
) -> bytes:
    """A PNG written by hand, for what Pillow does not write."""
    stride = len(rows) // height
    raw = b"".join(b"\0" + rows[start : start + stride] for start in range(0, len(rows), stride))
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), *(extra or []), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def saved(kind: str, size: tuple[int, int] = (64, 64), **options: Any) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_file_is_unreadable(tmp_path: Path, kind: str, share: float) -> None:
    data = saved(kind)
    (tmp_path / "a").write_bytes(data[: int(len(data) * share)])
    decoded = decode(str(tmp_path / "a"), plain())
    assert decoded.pixels is None
    assert decoded.problem
    assert decoded.sha256 == hashlib.sha256((tmp_path / "a").read_bytes()).hexdigest()
    assert decoded.size == (tmp_path / "a").stat().st_size


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_truncated_jpeg_is_unreadable_in_draft_too(tmp_path: Path, share: float) -> None:
    data = saved("JPEG", (640, 480))
    (tmp_path / "a.jpg").write_bytes(data[: int(len(data) * share)])
    problem = decode(str(tmp_path / "a.jpg"), plain()).problem
    assert problem is not None
    assert problem.startswith("OSError: image file is truncated")


def bomb() -> bytes:
    """A JPEG of a few hundred bytes whose header claims 65,500 x 65,500 pixels."""
    data = bytearray(saved("JPEG", (8, 8)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_500, 65_500)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the file is empty"),
        (b"not an image", "UnidentifiedImageError: cannot identify image file"),
        (bytes(1000), "UnidentifiedImageError: cannot identify image file"),
        (b"\x89PNG\r\n\x1a\n", "UnidentifiedImageError: cannot identify image file"),
        (b"\xff\xd8\xff", "UnidentifiedImageError: cannot identify image file"),
        (
            bomb(),
            "DecompressionBombError: Image size (4290250000 pixels) exceeds limit of 178956970 pixels, "
            "could be decompression bomb DOS attack.",
        ),
        (b"P5 2 2 0\n\0\0\0\0", "ValueError: maxval must be greater than 0 and less than 65536"),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
            "NotImplementedError: PostScript is a program, not pixels, and is not run",
        ),
    ],
)
def test_what_is_no_image_has_a_problem(tmp_path: Path, data: bytes, problem: str) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    decoded = decode(str(tmp_path / "a.jpg"), plain())
    assert (decoded.pixels, decoded.problem, decoded.size) == (None, problem, len(data))
    assert decoded.mtime_ns == (tmp_path / "a.jpg").stat().st_mtime_ns


@pytest.mark.parametrize("name", ["nowhere.png", "a-file/b.png"])
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "a-file").write_bytes(b"")
    assert decode(str(tmp_path / name), plain()) == Decoded(None, "missing", None, 0, 0)


def test_what_is_no_file_does_not_block(tmp_path: Path) -> None:
    assert decode(str(tmp_path), plain()).problem == "not a regular file"
    os.mkfifo(tmp_path / "pipe.png")
    assert decode(str(tmp_path / "pipe.png"), plain()).problem == "not a regular file"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.tif").open("wb") as file:
        file.truncate((1 << 30) + 1)  # sparse: it takes no space
    decoded = decode(str(tmp_path / "a.tif"), plain())
    assert decoded.problem == "the file is larger than 1024 MiB"
    assert (decoded.sha256, decoded.size) == (None, (1 << 30) + 1)


def test_a_name_that_no_file_can_have_is_a_problem() -> None:
    assert decode("a\0b.png", plain()).problem == "ValueError: embedded null byte"


def test_no_permission_is_told_without_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    assert decode(str(tmp_path / "a.png"), plain()).problem == "PermissionError: Permission denied"


def test_a_problem_is_one_printable_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("two\nlines, \x1b[31mred\x1b[0m and \udc80 " + "long " * 100)

    monkeypatch.setattr(Image, "open", fail)
    (tmp_path / "a.png").write_bytes(b"x")
    problem = decode(str(tmp_path / "a.png"), plain()).problem
    assert problem is not None
    assert problem.startswith("ValueError: two lines, ?[31mred?[0m and ? long long")
    assert problem.isprintable()
    assert len(problem) < 220


# --- quiet ----------------------------------------------------------------------------------------


def damaged_tiff() -> bytes:
    """A TIFF whose compressed strip is damaged, which libtiff tells file descriptor 2."""
    data = bytearray(saved("TIFF", compression="tiff_lzw"))
    data[200:400] = b"\xff" * 200
    return bytes(data)


def tiff_of_nine_samples() -> bytes:
    """A TIFF that claims nine samples per pixel, which Pillow logs as an error."""
    three, nine = (struct.pack("<HHIHH", 277, 3, 1, samples, 0) for samples in (3, 9))
    return saved("TIFF").replace(three, nine)


def test_a_damaged_file_leaves_standard_error_alone(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(damaged_tiff())
    (tmp_path / "b.tif").write_bytes(tiff_of_nine_samples())
    program = (
        "import sys; from alcli.images.decoding import decode; from alcli.images.transform import Transform\n"
        "for path in sys.argv[1:]: print(decode(path, Transform(8, 3)).problem)\n"
        "print('still there', file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "OSError: decoder error -2",
        "UnidentifiedImageError: cannot identify image file",
    ]
    assert done.stderr == "still there\n"


def test_a_warning_of_pillow_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # Pillow warns above this and refuses above twice this
    Image.new("L", (8, 8), 7).save(tmp_path / "a.png")
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(tmp_path / "a.png").close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(str(tmp_path / "a.png"), plain(channels=1)).problem is None


def test_pixels_stay_theirs(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 7).save(tmp_path / "a.png")
    first, second = (pixels_of(decode(str(tmp_path / "a.png"), plain(channels=1))) for _ in range(2))
    assert first is not second
    np.testing.assert_array_equal(first, second)
