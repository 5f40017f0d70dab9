"""Pools of digits, some of them with a wrong label."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from alcli import models
from alcli.manifest import Manifest
from alcli.project import Project

N = 300


@dataclass(frozen=True)
class Digits:
    """A pool of 300 scored digits in classes `class-0`, …, `class-9`.

    Attributes:
        project: The pool.
        truth: (300,) what each image shows.
        given: (300,) the label, or what a delivery says.
        probabilities: (300, 10) of a model that saw none of them.
        embeddings: (300, 64) pixels.
    """

    project: Project
    truth: np.ndarray
    given: np.ndarray
    probabilities: np.ndarray
    embeddings: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        return self.truth != self.given

    def learned(self, rows: np.ndarray, *, frozen: bool = True) -> None:
        """Let the model say that it learned from these rows, and from no others."""
        folder = self.project.models / "0001-aaaaaa"
        keys = Manifest.build(
            {"file_name": [f"img-{row:04d}.jpg" for row in range(N)], "size": [1] * N, "mtime_ns": [1] * N},
            [],
        ).keys
        np.save(folder / models.LEARNED, np.sort(keys[rows]))
        about = json.loads((folder / models.RECORD).read_text())
        (folder / models.RECORD).write_text(json.dumps({**about, "frozen": frozen}))


@functools.cache
def _images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels, classes, and what a model that was fitted on other digits says of the first 300."""
    from sklearn.datasets import load_digits  # takes seconds, and few test files need it
    from sklearn.linear_model import LogisticRegression

    points, codes = load_digits(return_X_y=True)
    model = LogisticRegression(C=0.01, max_iter=500).fit(points[1000:], codes[1000:])
    return points[:N], codes[:N], model.predict_proba(points[:N])


@pytest.fixture
def digits(scored_pool: Callable[..., Project]) -> Callable[..., Digits]:
    """Return a function that makes such a pool: how often a label is wrong, and which rows are labelled."""

    def build(
        rate: float,
        *,
        labelled: range = range(N),
        clean: range = range(0),
        splits: dict[int, str] | None = None,
    ) -> Digits:
        points, codes, probabilities = _images()
        rng = np.random.default_rng(5)
        shifts = rng.integers(1, 10, N)
        erring = (rng.random(N) < rate) & ~np.isin(np.arange(N), clean)
        given = np.where(erring, (codes + shifts) % 10, codes)
        embeddings = points.astype(np.float16)
        project = scored_pool(
            probabilities,
            signals={"embeddings": embeddings},
            labels={row: f"class-{given[row]}" for row in labelled},
            splits=splits,
            kind="trained",
        )
        return Digits(project, codes, given, probabilities, embeddings)

    return build
