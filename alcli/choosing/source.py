"""The pool as strategies see it: the manifest, the newest model, its signals, and what the labelled images are."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alcli import inference, models, rounds
from alcli.geometry import distances
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.planning import Plan
from alcli.project import Project
from alcli.signals import SignalStore

Keys = NDArray[np.uint64]
Positions = NDArray[np.int64]

_GUESS = ("prediction", "confidence")  # the classifier's own


@dataclass(frozen=True)
class Source:
    """A manifest and the newest model.

    Attributes:
        project: The pool.
        manifest: Its manifest.
        record: The newest model; None where there is none.
    """

    project: Project
    manifest: Manifest
    record: ModelRecord | None

    @classmethod
    def of(cls, project: Project, manifest: Manifest) -> Source:
        """Find the newest model."""
        records = models.all_models(project)
        return cls(project, manifest, records[-1] if records else None)

    @functools.cached_property
    def store(self) -> SignalStore:
        """The newest model's signals; empty where there is no model."""
        return SignalStore(
            self.record.signals(self.project) if self.record else self.project.signals / "none"
        )

    @functools.cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of one row of each signal; nothing where nothing was scored."""
        return self.store.shapes if self.store else {}

    @functools.cached_property
    def teachers(self) -> Positions:
        """(l,) rows of the labelled images that a strategy may learn from; never those held out."""
        manifest = self.manifest
        return np.flatnonzero(manifest.labelled & manifest.equals("split", "train") & manifest.readable)

    @functools.cached_property
    def examples(self) -> Positions:
        """(e,) rows of the teachers that may be shown; whoever labels must not learn that the others have a label."""
        return self.teachers[~rounds.undisclosed(self.project, self.manifest)[self.teachers]]

    @functools.cached_property
    def classes(self) -> list[str]:
        """Class names that codes stand for: the model's, then those labelled since it was trained."""
        known = self.record.classes if self.record else []
        return [*known, *(name for name in self.manifest.classes if name not in known)]

    @functools.cached_property
    def teacher_codes(self) -> NDArray[np.int32]:
        """(l,) class codes of the teachers."""
        known = {name: code for code, name in enumerate(self.classes)}
        codes = np.array([known[name] for name in self.manifest.classes], np.int32)
        return np.asarray(codes[self.manifest.label_codes[self.teachers]], np.int32)

    def stale(self, rows: Positions, store: SignalStore | None = None) -> Positions:
        """Return those of `rows` that have no signals, or some of an earlier state of their file."""
        if store is None:
            store = self.store
        if self.record and self.record.external:
            return rows[store.locate_rows(self.manifest.keys, rows) < 0]
        return inference.stale_rows(self.manifest, rows, store)

    def guesses(self, plan: Plan, rows: Positions) -> tuple[list[str | None], NDArray[np.float32]]:
        """Return the class that a strategy takes each image for, and the classifier's probability of it."""
        names: list[str | None] = [None] * len(rows)
        confidence = np.full(len(rows), np.nan, np.float32)
        store = self.store
        if not store or not plan.prediction_signals:
            return names, confidence
        keys = self.manifest.keys[rows]
        scored = np.flatnonzero(store.locate_rows(self.manifest.keys, rows) >= 0)
        arrays = store.read(plan.prediction_signals, keys[scored])
        codes = plan.predictions(keys[scored], arrays)
        confidence[scored] = self._confidence(keys[scored], codes)
        for position, code in zip(scored, codes, strict=True):
            names[position] = self.classes[code]
        return names, confidence

    def nearest(self, rows: Positions, others: Positions) -> distances.Nearest:
        """Find for each image the nearest of some others, by embedding.

        Args:
            rows: (k,) rows of the manifest that have been scored.
            others: (m,) rows of the manifest; those that have not been scored are passed over.

        Returns:
            Rows of the manifest, -1 where none of the others has been scored, and distances.
        """
        keys = self.manifest.keys
        others = others[self.store.locate(keys[others]) >= 0]
        points = self.store.read(["embeddings"], keys[rows])["embeddings"].astype(np.float32)
        theirs = self.store.read(["embeddings"], keys[others])["embeddings"].astype(np.float32)
        found = distances.nearest(points, theirs)
        return distances.Nearest(others[found.rows] if len(others) else found.rows, found.distances)

    def nearest_names(self, rows: Positions, others: Positions) -> list[str | None]:
        """Return the file name of the nearest of some others, none of `rows`, for each; None where it is not known."""
        names: list[str | None] = [None] * len(rows)
        scored = np.flatnonzero(self.store.locate(self.manifest.keys[rows]) >= 0)
        found = self.nearest(rows[scored], np.setdiff1d(others, rows)).rows
        nearest = self.manifest.strings("file_name", np.maximum(found, 0))
        for position, name, row in zip(scored, nearest, found, strict=True):
            names[position] = name if row >= 0 else None
        return names

    def _confidence(self, keys: Keys, codes: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the classifier's probability of class `codes` of each image; NaN where it is not stored."""
        store = self.store
        found = np.full(len(keys), np.nan, np.float32)
        if all(name in store.shapes for name in _GUESS):
            own = store.read(_GUESS, keys)
            found = np.where(codes == own["prediction"], own["confidence"], np.float32(np.nan))
        rest = np.flatnonzero(np.isnan(found))
        if len(rest) and "probabilities" in store.shapes:
            probabilities = store.read(["probabilities"], keys[rest])["probabilities"]  # (r, c)
            known = codes[rest] < probabilities.shape[1]
            found[rest[known]] = probabilities[known, codes[rest][known]]
        return found
