"""Labelled pools of tiny images, with the manifest written directly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from alcli import ledger
from alcli.manifest import Manifest
from alcli.project import Project

from tests.conftest import draw

SHADES = {"bright": 220, "dark": 30, "middle": 125}
MakePool = Callable[..., Project]


@pytest.fixture
def make_pool(tmp_path: Path) -> MakePool:
    """Return a function that writes a pool of `train` and `val` and `test` images per class."""

    def make(
        name: str = "pool",
        *,
        train: dict[str, int] | None = None,
        val: int = 0,
        test: int = 0,
        unlabelled: int = 0,
        side: int = 8,
        colour: bool = False,
    ) -> Project:
        pool = tmp_path / name
        files: dict[str, tuple[str | None, str]] = {}
        for label, shade in SHADES.items():
            counts = {"train": (train or dict.fromkeys(SHADES, 6)).get(label, 0), "val": val, "test": test}
            for split, count in counts.items():
                for index in range(count):
                    file = f"{label}/{split}-{index:03d}.png"
                    draw(pool / file, shade=shade, seed=len(files), side=side, colour=colour)
                    files[file] = (label, split)
            for index in range(unlabelled):
                file = f"{label}/{index:03d}.png"
                draw(pool / file, shade=shade, seed=1000 + index, side=side, colour=colour)
                files[file] = (None, "train")
        return write_manifest(Project.open(pool), files)

    return make


def write_manifest(project: Project, files: dict[str, tuple[str | None, str]]) -> Project:
    """Write the manifest of images with their label and split."""
    found = [(project.pool / file).stat() for file in files]
    manifest = Manifest.build(
        {
            "file_name": list(files),
            "label": [label for label, _ in files.values()],
            "split": [split for _, split in files.values()],
            "size": [one.st_size for one in found],
            "mtime_ns": [one.st_mtime_ns for one in found],
        },
        sorted(SHADES),
    )
    with ledger.writing(project, "init"):
        ledger.commit(project, manifest, command="init")
    return project
