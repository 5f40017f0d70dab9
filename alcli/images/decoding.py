"""From the bytes of one file to pixels, or to the reason why there are none.

A worker process imports this module and little else, so it is light: Pillow and numpy. What the formats of
the world hold becomes 8-bit grey or RGB thus:

* EXIF orientation is applied; of an animation the first frame counts; the content decides the format, not
  the file's extension.
* Transparency shows white, as in the viewers that people label in.
* 16-bit grey is scaled by 255 / 65535. 32-bit integers within [0, 65535] likewise; floats within [0, 1] or
  [0, 255] by that range; other 32-bit images are stretched from their least to their greatest value.
* A truncated file is unreadable: half an image is another image.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from alcli.images.transform import Transform

MISSING = "missing"
MAX_FILE_BYTES = (
    1 << 30
)  # above every image of Pillow's largest size, 179 million pixels, that is not padding

# Without a handler, Python prints what Pillow logs about damaged files.
logging.getLogger("PIL").addHandler(logging.NullHandler())

# A named pipe must not make `open` wait for somebody to write into it.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_UPRIGHT = {  # EXIF 2.32, tag 0x0112
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TRANSPARENT = ("LA", "PA", "RGBA", "P")  # a palette may hold alpha, and may be missing altogether


class Decoded(NamedTuple):
    """What one file gave.

    Attributes:
        pixels: (image_size, image_size, channels), or None where there is a problem.
        problem: One line that says why there are no pixels, the same in every run; None if there are.
        sha256: 64 hex digits of the file's bytes, None if they could not be read.
        size: Bytes; 0 for a missing file.
        mtime_ns: Nanoseconds since 1970; 0 for a missing file.
    """

    pixels: NDArray[np.uint8] | None
    problem: str | None
    sha256: str | None
    size: int
    mtime_ns: int


def decode(path: str, transform: Transform) -> Decoded:
    """Read one image file, once, and bring it to the transform's size and channels.

    A bad file never raises: its problem is data. Not for two threads at a time, since Python's warning
    filters are one for all threads.
    """
    return decode_as(path, lambda data: _pixels(data, transform))


def decode_as(path: str, made: Callable[[bytes], NDArray[np.uint8]]) -> Decoded:
    """Read one image file, once, and make of its bytes what `made` returns; as `decode`, it never raises."""
    sha256, size, mtime_ns = None, 0, 0
    try:
        descriptor = os.open(path, _READ)
        try:
            facts = os.fstat(descriptor)
            size, mtime_ns = facts.st_size, facts.st_mtime_ns
            data = _read(descriptor, facts)
        finally:
            os.close(descriptor)
        sha256 = hashlib.sha256(data).hexdigest()
        pixels = made(data)
    except (FileNotFoundError, NotADirectoryError):
        return Decoded(None, MISSING, None, 0, 0)
    except Exception as error:  # noqa: BLE001 -- Pillow raises anything from TypeError to struct.error
        return Decoded(None, _told(error), sha256, size, mtime_ns)
    return Decoded(pixels, None, sha256, size, mtime_ns)


def as_shown(data: bytes, *, draft_to: int | None = None, grey: bool = False) -> Image.Image:
    """Decode an image file as a viewer shows it: upright, 8-bit, opaque, in mode L or RGB.

    Arguments and errors are those of `load_image`.
    """
    with warnings.catch_warnings():  # 3 µs; what Pillow warns of is no news to anybody
        warnings.simplefilter("ignore")
        return _eight_bit(_upright(load_image(data, draft_to=draft_to, grey=grey)))


def load_image(data: bytes, *, draft_to: int | None = None, grey: bool = False) -> Image.Image:
    """Decode the first frame of an image file as it is stored: not yet upright, nor 8-bit.

    Args:
        data: The whole file.
        draft_to: Pixels that the shorter side needs; a JPEG that has twice as many or more is decoded at a
            half, a quarter or an eighth, never to fewer than these. None: in full.
        grey: With `draft_to`, decode only the brightness of a JPEG.

    Raises:
        Exception: Of any type, where Pillow cannot decode; `DecompressionBombError`, before decoding, for a
            header that claims more than 179 million pixels.
    """
    image = Image.open(io.BytesIO(data))
    if image.format == "EPS":
        raise NotImplementedError("PostScript is a program, not pixels, and is not run")
    if draft_to is not None:
        image.draft("L" if grey else None, (draft_to, draft_to))
    with _native_stderr_closed() if image.format == "TIFF" else contextlib.nullcontext():
        image.load()
    return image


def _read(descriptor: int, facts: os.stat_result) -> bytes:
    if not stat.S_ISREG(facts.st_mode):
        raise _RefusedError("not a regular file")
    if facts.st_size > MAX_FILE_BYTES:
        raise _RefusedError(f"the file is larger than {MAX_FILE_BYTES >> 20} MiB")
    data = os.read(descriptor, facts.st_size + 1)
    while more := os.read(descriptor, 1 << 20) if len(data) != facts.st_size else b"":
        data += more  # a read may give less than asked for, and a file may grow
    if not data:
        raise _RefusedError("the file is empty")
    return data


def _pixels(data: bytes, transform: Transform) -> NDArray[np.uint8]:
    """Return (image_size, image_size, channels) pixels."""
    needed = transform.shorter_side if transform.draft else None
    image = as_shown(data, draft_to=needed, grey=transform.channels == 1)
    if transform.channels == 1 and image.mode != "L":
        image = image.convert("L")
    image = _resized(image, transform)
    if transform.channels == 3 and image.mode != "RGB":
        image = image.convert("RGB")  # after the resize: a third of the work
    return np.frombuffer(image.tobytes(), np.uint8).reshape(transform.shape)


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; an EXIF block that cannot be read says nothing.

    The image must be loaded: reading EXIF first, and failing, leaves Pillow with partial pixels.
    """
    orientation = None
    with contextlib.suppress(Exception):
        orientation = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if orientation is None else image.transpose(orientation)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return the image in mode L or RGB, opaque."""
    if image.mode.startswith("I;16"):
        return _from_sixteen_bit(image)
    if image.mode in ("I", "F"):
        return _from_wide_range(image)
    if image.mode == "La":  # a TIFF whose grey is multiplied by its alpha
        image = image.convert("LA")
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        return _on_white(image)
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _from_sixteen_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 = 255 × 257
    transparent = image.info.get("transparency")
    if transparent is not None:
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def _from_wide_range(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    for usual in (1.0, 255.0) if image.mode == "F" else (65535.0,):
        if low >= 0 and high <= usual:
            low, high = 0.0, usual
            break
    span = (high - low) or 1.0
    scaled = np.nan_to_num((values - low) * (255 / span), nan=0.0, posinf=255.0, neginf=0.0)
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image)
    return canvas


def _resized(image: Image.Image, transform: Transform) -> Image.Image:
    target = (transform.image_size, transform.image_size)
    box = _centre(image.size, transform.crop_pct) if transform.resize == "crop" else (0.0, 0.0, *image.size)
    if image.size == target and box == (0, 0, *target):
        return image
    return image.resize(target, _RESAMPLING[transform.interpolation], box=box)


def _centre(size: tuple[int, int], share: float) -> tuple[float, float, float, float]:
    """Return left, upper, right and lower of the centre square, in source pixels.

    It starts on a whole pixel, so that a crop without a change of scale copies pixels.
    """
    side = min(size) * share
    left, upper = ((length - side) // 2 for length in size)
    return left, upper, left + side, upper + side


class _RefusedError(Exception):
    """What alcli itself finds wrong with a file; told without a type's name."""


def _told(error: Exception) -> str:
    """Return one printable line about an error, without what differs between runs."""
    if isinstance(error, _RefusedError):
        return str(error)
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = re.sub(r"\s*<[^<>]* object at 0x[0-9a-fA-F]+>", "", text)
    text = re.sub(r"[^ -~]+", "?", " ".join(text.split()))[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextlib.contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """Drop what libtiff writes to file descriptor 2, past Python."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
