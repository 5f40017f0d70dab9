"""CROWDLAB over a delivery: annotators weighed by each other and by what the newest model thinks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alcli import models
from alcli.errors import StepMissing
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.quality import consensus
from alcli.quality.votes import Votes
from alcli.signals import SignalStore

Floats = NDArray[np.float64]


class Crowd:
    """Weighs the votes of a delivery.

    The images of a delivery were not labelled when the model was trained, so its probabilities are out of sample;
    those sent out again were, and `learned` counts them.

    Attributes:
        model: Id of the model that was asked; None where no image had two answers.
        images: How many images had two answers or more.
        learned: How many of these had a label before, which the model may have learned.
    """

    def __init__(self, project: Project, manifest: Manifest, classes: Sequence[str]) -> None:
        self.model: str | None = None
        self.images = 0
        self.learned = 0
        self._project = project
        self._manifest = manifest
        self._classes = classes

    def weigh(self, rows: NDArray[np.int64], votes: Votes) -> NDArray[np.int64]:
        """Return the label of each image.

        Args:
            rows: (i,) rows of the manifest.
            votes: About these i images, by their places in `rows`; an image has two answers.

        Raises:
            StepMissing: There is no model, or it has not said how likely the classes of these images are.
        """
        self.images = int(votes.several.sum())
        self.learned = int(self._manifest.labelled[rows[votes.several]].sum())
        return consensus.crowdlab(votes, self._probabilities(rows))

    def told(self) -> str | None:
        """Say what was weighed and by what; None where nothing was."""
        if self.model is None:
            return None
        seen = (
            f"; {self.learned} of them had a label before, which the model may have learned"
            if self.learned
            else ""
        )
        return f"CROWDLAB weighed {self.images} images with the probabilities of model {self.model}{seen}"

    def _probabilities(self, rows: NDArray[np.int64]) -> Floats:
        record = models.newest(self._project)
        self.model = record.id
        store = SignalStore(record.signals(self._project))
        keys = self._manifest.keys[rows]
        lacking = len(rows) if not store else int((store.locate(keys) < 0).sum())
        if lacking or "probabilities" not in store.shapes:
            how = ("--from", "OUTPUTS.parquet") if record.external else ("--probabilities", "all")
            raise StepMissing(
                f"--resolve crowdlab: model {record.id} has not given the probabilities of "
                f"{lacking or len(rows)} images of the file",
                hint=self._project.command("score", *how),
            )
        given = store.read(["probabilities"], keys)["probabilities"].astype(np.float64)
        codes = {name: code for code, name in enumerate(self._classes)}
        whole = np.zeros((len(rows), len(self._classes)))
        for column, name in enumerate(record.classes):
            if name in codes:
                whole[:, codes[name]] = given[:, column]
        return np.asarray(whole / np.maximum(whole.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny))
