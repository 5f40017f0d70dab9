"""One call of `train`: what its steps share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from alcli import models
from alcli.images.album import Decoders
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.progress import Progress
from alcli.project import Project
from alcli.training.recipe import Recipe
from alcli.training.splits import WHOLE_POOL, Split, content_digest

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TrainReport:
    """What a run of `train` did.

    Attributes:
        model: The model's id.
        architecture: Built in or a model of timm.
        trained: Whether there was anything to do; else this model was up to date.
        labelled: Images learned from, those with pseudo-labels included.
        pseudo_labelled: How many of them.
        unreadable: Labelled images found unreadable now.
        temperature: That divides the logits.
        metrics: As in `model.json`.
        seconds: How long it took.
    """

    model: str
    architecture: str
    trained: bool
    labelled: int
    pseudo_labelled: int
    unreadable: int
    temperature: float
    metrics: dict[str, Any]
    seconds: float


@dataclass
class Job:
    """What to train, on what, where.

    Attributes:
        project: The pool.
        manifest: As it was when the job began.
        recipe: What was decided.
        splits: Labelled images by split; unreadable ones leave when they are found.
        device: Where networks run.
        workers: Decoding processes, None for one per core; or an album of the images.
        max_bad: Unreadable images that are tolerated; None is any number.
        progress: Told of every batch.
        unreadable: Images found unreadable in this job.
        metrics: What an objective has to say beside what is measured of every model; joins `model.json`.
        tables: Tables for the model's folder, by file name.
        began: When, on the monotonic clock.
    """

    project: Project
    manifest: Manifest
    recipe: Recipe
    splits: dict[str, Split]
    device: torch.device
    workers: Decoders
    max_bad: int | None
    progress: Progress
    unreadable: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pa.Table] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def identity(self) -> str:
        """The digest of all that the model depends on."""
        return self.recipe.identity(content_digest(self.manifest, self.splits))

    @property
    def learned(self) -> NDArray[np.uint64] | None:
        """Keys of the images whose labels are learned from, ascending, those of a warm start's model included.

        None where that model does not say which they were.
        """
        mine = self.manifest.keys[self.splits["train"].rows]
        start = self.recipe.start
        before = np.empty(0, np.uint64) if start is None else models.learned(start)
        return None if before is None else np.union1d(mine, before)

    @property
    def images_read(self) -> str:
        """What to call the images that it reads."""
        return "images" if WHOLE_POOL in self.splits else "labelled images"

    def planned(self) -> TrainReport:
        """Tell what would be done."""
        return TrainReport(
            model="",
            architecture=self.recipe.blueprint.architecture,
            trained=False,
            labelled=len(self.splits["train"]),
            pseudo_labelled=self.splits["train"].pseudo,
            unreadable=0,
            temperature=1.0,
            metrics={},
            seconds=0.0,
        )

    def report(self, record: ModelRecord, *, trained: bool) -> TrainReport:
        """Tell what was done."""
        return TrainReport(
            model=record.id,
            architecture=record.about["architecture"],
            trained=trained,
            labelled=len(self.splits["train"]),
            pseudo_labelled=self.splits["train"].pseudo,
            unreadable=self.unreadable,
            temperature=record.about["temperature"],
            metrics=record.about["metrics"],
            seconds=time.monotonic() - self.began,
        )
