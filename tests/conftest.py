"""Fixtures that several test files share: small real images, pools in every state of the loop."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from alcli import files, ledger, models, uncertainty
from alcli.manifest import Manifest
from alcli.progress import Advance
from alcli.project import Project
from alcli.signals import Part, SignalStore
from PIL import Image

from tests.digit_pools import digits  # noqa: F401 - a fixture for all

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program sets it, before torch is imported
os.environ.setdefault("NO_COLOR", "1")
os.environ.setdefault("TERMINAL_WIDTH", "120")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own ALCLI_* variables must not change what tests see."""
    for name in [name for name in os.environ if name.startswith("ALCLI_")]:
        monkeypatch.delenv(name)


@dataclass
class Listener:
    """What a step says of its progress: by stage the total, what an earlier run had done, and each advance."""

    totals: dict[str, int] = field(default_factory=dict)
    earlier: dict[str, int] = field(default_factory=dict)
    advances: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    @contextlib.contextmanager
    def progress(self, stage: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Listen to a stage."""
        self.totals[stage], self.earlier[stage] = total, done
        told = self.advances.setdefault(stage, [])
        yield lambda count=1, note="": told.append((count, note))

    def complete(self, stage: str) -> bool:
        """Return whether it was told of every unit, once."""
        return self.earlier[stage] + sum(count for count, _ in self.advances[stage]) == self.totals[stage]


def draw(path: Path, *, shade: int, seed: int = 0, side: int = 16, colour: bool = False) -> Path:
    """Write a noisy square image; `shade` is its mean grey, so that classes can be told apart."""
    noise = np.random.default_rng([seed, shade]).integers(
        -20, 21, (side, side, 3) if colour else (side, side)
    )
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
            if path.is_file() and path.name != "lock"
        }

    return read


@pytest.fixture
def scored_pool(tmp_path: Path) -> Callable[..., Project]:
    """Return a function that makes a pool whose images exist in the manifest only, with their signals.

    Args of the function:
        probabilities: (n, c) of the images `img-0000.jpg`, … ; every one is unlabelled unless `labels` says.
        signals: Further signals by name, n rows each.
        labels: Labels by row.
        splits: Splits by row, where not `train`.
        order: Rows in the order in which their signals are stored; all of them by default.
        per_part: Rows per part.
        kind: `external` or `trained`.
    """

    def build(
        probabilities: np.ndarray,
        *,
        signals: dict[str, np.ndarray] | None = None,
        labels: dict[int, str] | None = None,
        splits: dict[int, str] | None = None,
        order: np.ndarray | None = None,
        per_part: int = 16_384,
        kind: str = "external",
        name: str = "scored",
    ) -> Project:
        probabilities = np.asarray(probabilities, np.float32)
        n = len(probabilities)
        classes = [f"class-{code}" for code in range(probabilities.shape[1])]
        project = Project.open(_made(tmp_path / name))
        names = [f"img-{row:04d}.jpg" for row in range(n)]
        columns = {
            "file_name": names,
            "label": [(labels or {}).get(row) for row in range(n)],
            "split": [(splits or {}).get(row, "train") for row in range(n)],
            "size": np.full(n, 100),
            "mtime_ns": np.full(n, 9),
        }
        manifest = Manifest.build(columns, classes)
        with ledger.writing(project, "init"):
            ledger.commit(project, manifest, command="init")
        about = {"id": "0001-aaaaaa", "kind": kind, "classes": classes, "embedding": "none"}
        files.write_json(project.models / "0001-aaaaaa" / models.RECORD, about)
        arrays = {"probabilities": probabilities, **uncertainty.scalars(probabilities), **(signals or {})}
        store = SignalStore(project.signals / "0001-aaaaaa")
        kinds = {key: {"shape": list(v.shape[1:]), "dtype": str(v.dtype)} for key, v in arrays.items()}
        store.create(model="0001-aaaaaa", transform=None, settings=None, signals=kinds)
        stored = np.arange(n) if order is None else order
        for start in range(0, len(stored), per_part):
            rows = stored[start : start + per_part]
            part = {key: values[rows] for key, values in arrays.items()}
            full = np.full(len(rows), 100), np.full(len(rows), 9)
            store.append(Part(manifest.keys[rows], part, *full, [None] * len(rows)))
        return project

    return build


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@contextlib.contextmanager
def the_log_as_found() -> Iterator[None]:
    """A command that ran in this process has turned the log to its own standard error; turn it back."""
    logger = logging.getLogger("alcli")
    handlers, propagate, level = logger.handlers[:], logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def _the_log_as_found() -> Iterator[None]:
    with the_log_as_found():
        yield
