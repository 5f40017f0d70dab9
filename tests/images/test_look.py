"""The first look at a few images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from alcli.images.look import Look, look
from PIL import Image

from tests.conftest import draw


def test_the_median_longer_side_and_greyness(tmp_path: Path) -> None:
    paths = [str(draw(tmp_path / f"{side}.png", shade=100, side=side)) for side in (8, 20, 400)]
    assert look(paths) == Look(20, grey=True)
    colour = draw(tmp_path / "colour.png", shade=100, side=20, colour=True)
    assert look([*paths, str(colour)]) == Look(20, grey=False)


def test_grey_stored_as_rgb_is_grey(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.fromarray(np.full((9, 12, 3), 77, np.uint8)).save(path)
    assert look([str(path)]) == Look(12, grey=True)


def test_unreadable_images_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    assert look([str(tmp_path / "bad.png"), str(tmp_path / "missing.png")]) == Look(0, grey=True)
