"""Small pictures of many images, for a page: decoded and encoded by the worker processes of a `DecodePool`.

What a worker gives back is not pixels but a small WebP file, laid into the array that pixels would fill: a
thumbnail keeps its image's proportions, and nothing is ever enlarged, so a square of pixels would not do.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alcli.images.decoding import Decoded, as_shown, decode_as
from alcli.images.pipeline import DecodePool
from alcli.images.transform import Transform
from alcli.progress import Progress, silent

SIDES = (96, 80, 64, 48)  # px, of the longer side; the first that fits
MAX_BYTES = 12 << 20  # of all thumbnails together; as text in a page they take a third more
_QUALITIES = (75, 60, 45, 30, 15, 0)
_LENGTH_BYTES = 4
_AT_ONCE = 256


def side_for(count: int) -> int:
    """Return the side, in px, at which `count` thumbnails stay below `MAX_BYTES`: 96, 80, 64 or 48.

    More than 18,000 are more than that even at 48 px.
    """
    return next((side for side in SIDES if count * most_bytes(side) <= MAX_BYTES), SIDES[-1])


def most_bytes(side: int) -> int:
    """Return how large a thumbnail's file may be; its quality is lowered until it is not larger, if that helps."""
    return side * side * 2 // 7


def thumbnails(paths: Sequence[str], *, workers: int | None = None, progress: Progress = silent) -> list[str]:
    """Return a `data:` URL of a small picture for each image; an empty string where it cannot be decoded.

    Args:
        paths: Image files; the more there are, the smaller are the pictures.
        workers: Decoding processes; None is one per core.
        progress: Told of every batch.
    """
    urls: list[str] = []
    if not paths:
        return urls
    transform = Transform(image_size=side_for(len(paths)), channels=3)
    with (
        DecodePool(transform, workers=workers, decode=picture) as pool,
        progress("thumbnails", len(paths)) as advance,
    ):
        for batch in pool.stream(paths, batch_size=_AT_ONCE):
            for cell, problem in zip(batch.pixels, batch.problems, strict=True):
                urls.append("" if problem else _url(cell))
            advance(len(batch.problems))
    return urls


def picture(path: str, transform: Transform) -> Decoded:
    """Read one image file and make a small WebP file of it; a `worker.DecodeFunction`.

    Args:
        path: The image.
        transform: Its `image_size` is the longer side of the picture, unless the image is smaller.

    Returns:
        In place of pixels an array of the transform's shape, which holds the length of the file (4 bytes,
        little-endian), the file, and zeros.
    """
    return decode_as(path, lambda data: _cell(_encoded(data, transform.image_size), transform))


def _encoded(data: bytes, side: int) -> bytes:
    image = as_shown(data, draft_to=side)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    limit = most_bytes(side)
    for quality in _QUALITIES:
        file = io.BytesIO()
        image.save(file, "WEBP", quality=quality, method=4)
        if file.tell() <= limit:
            break
    return file.getvalue()


def _cell(file: bytes, transform: Transform) -> NDArray[np.uint8]:
    cell = np.zeros(transform.shape, np.uint8)
    content = len(file).to_bytes(_LENGTH_BYTES, "little") + file
    cell.reshape(-1)[: len(content)] = np.frombuffer(content, np.uint8)
    return cell


def _url(cell: NDArray[np.uint8]) -> str:
    content = cell.tobytes()
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    file = content[_LENGTH_BYTES : _LENGTH_BYTES + length]
    return f"data:image/webp;base64,{base64.b64encode(file).decode()}"
