"""Fixtures that several test files share: small real images, pools in every state of the loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alcli.project import Project

os.environ.setdefault("NO_COLOR", "1")
os.environ.setdefault("TERMINAL_WIDTH", "120")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A developer's own ALCLI_* variables must not change what tests see."""
    for name in [name for name in os.environ if name.startswith("ALCLI_")]:
        monkeypatch.delenv(name)
    yield


def draw(path: Path, *, shade: int, seed: int = 0, side: int = 16, colour: bool = False) -> Path:
    """Write a noisy square image; `shade` is its mean grey, so that classes can be told apart."""
    noise = np.random.default_rng([seed, shade]).integers(-20, 21, (side, side, 3) if colour else (side, side))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(shade + noise, 0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """A pool of 24 labelled images in 3 classes and 36 unlabelled ones, 16x16 grey PNGs."""
    pool = tmp_path / "pool"
    for number, name in enumerate(["bright", "dark", "middle"]):
        shade = (220, 30, 125)[number]
        for index in range(8):
            draw(pool / name / f"{index:03d}.png", shade=shade, seed=index)
        for index in range(12):
            draw(pool / "unlabelled" / f"{name[0]}{index:03d}.png", shade=shade, seed=100 + index)
    return pool


@pytest.fixture
def project(image_folder: Path) -> Project:
    """The project of `image_folder`, before `init`."""
    return Project.open(image_folder)


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    """Return a function that reads every file below a folder, to show that nothing changed."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in ("lock",)
        }

    return read
