"""Images that take no part, with reasons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from alcli import ledger
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.reporting.page import Finding
from alcli.reporting.problems import problems
from numpy.typing import NDArray

Build = Callable[..., Project]


def nobody(manifest: Manifest) -> NDArray[np.bool_]:
    return np.zeros(len(manifest), np.bool_)


def test_each_with_its_reason(scored_pool: Build) -> None:
    manifest = ledger.read(scored_pool(np.full((5, 2), 0.5)))
    manifest = manifest.replace(
        status=["ok", "unreadable", "missing", "skipped", "excluded"],
        problem=[None, "the file is empty", None, "a person declined to label it", None],
    )
    assert problems(manifest, nobody(manifest)) == (
        [
            Finding("img-0001.jpg", "unreadable: the file is empty"),
            Finding("img-0002.jpg", "missing"),
            Finding("img-0003.jpg", "skipped: a person declined to label it"),
            Finding("img-0004.jpg", "excluded"),
        ],
        0,
    )


def test_of_many_the_first_are_listed() -> None:
    names = [f"{row:04d}.png" for row in range(503)]
    columns = {"file_name": names, "size": [1] * 503, "mtime_ns": [1] * 503, "status": ["missing"] * 503}
    manifest = Manifest.build(columns, [])
    found, more = problems(manifest, nobody(manifest))
    assert (len(found), found[-1].file_name, more) == (500, "0499.png", 3)


def test_none() -> None:
    manifest = Manifest.build({"file_name": [], "size": [], "mtime_ns": []}, [])
    assert problems(manifest, nobody(manifest)) == ([], 0)
