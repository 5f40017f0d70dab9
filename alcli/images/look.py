"""A first look at a few images, to choose a network that suits them."""

from __future__ import annotations

import contextlib
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from alcli.images.decoding import decode
from alcli.images.transform import Transform

_THUMBNAIL = Transform(image_size=64, channels=3)


@dataclass(frozen=True)
class Look:
    """What a sample of images looks like.

    Attributes:
        longest_side: Median of the longer sides, in px; 0 if no image could be opened.
        grey: Whether no image has any colour.
    """

    longest_side: int
    grey: bool


def look(paths: Sequence[str]) -> Look:
    """Open a few images; those that cannot be read are passed over."""
    sides, grey = [], True
    for path in paths:
        with contextlib.suppress(Exception), warnings.catch_warnings():  # Pillow raises anything
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                sides.append(max(image.size))
        pixels = decode(path, _THUMBNAIL).pixels
        grey = grey and (pixels is None or bool((pixels == pixels[..., :1]).all()))
    return Look(round(statistics.median(sides)) if sides else 0, grey)
