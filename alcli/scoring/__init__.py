"""Scoring: run the newest model over every readable image and save the signals that strategies rank by."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import inference, ledger, networks
from alcli.errors import InputRejected, StepMissing, UsageError
from alcli.images.album import Decoders
from alcli.manifest import SPLITS, Manifest
from alcli.models import ModelRecord
from alcli.progress import Progress, silent
from alcli.project import Project
from alcli.scoring.scorer import Scorer
from alcli.signals import SignalStore

__all__ = ["ScoreReport", "Settings", "score"]

logger = logging.getLogger("alcli")


@dataclass(frozen=True)
class Settings:
    """What to save beside the signals that are always saved; None keeps to what this model's store holds.

    Attributes:
        mc_samples: Monte-Carlo dropout passes m; 0 for none, else at least 2.
        top: Keep only the largest `top` probabilities of each image; 0 keeps all.
        seed: Draws the dropout masks.
    """

    mc_samples: int | None = None
    top: int | None = None
    seed: int = 0

    def over(self, store: SignalStore) -> dict[str, int]:
        """Return these settings, the open ones filled from `store`."""
        before = store.about["settings"] if store else {"mc_samples": 0, "top": 0, "seed": self.seed}
        mc_samples = before["mc_samples"] if self.mc_samples is None else self.mc_samples
        top = before["top"] if self.top is None else self.top
        seed = before["seed"] if self.mc_samples is None else self.seed
        return {"mc_samples": mc_samples, "top": top, "seed": seed if mc_samples else 0}


@dataclass(frozen=True)
class ScoreReport:
    """What a run of `score` did.

    Attributes:
        model: The model's id.
        scored: Images scored now.
        reused: Images whose signals were there already.
        unreadable: Images found unreadable now.
        signals: Names of the saved signals.
        seconds: How long it took.
    """

    model: str
    scored: int
    reused: int
    unreadable: int
    signals: tuple[str, ...]
    seconds: float


def score(
    project: Project,
    record: ModelRecord,
    *,
    settings: Settings = Settings(),
    splits: Collection[str] = SPLITS,
    device: str = "auto",
    batch_size: int | None = None,
    workers: Decoders = None,
    max_bad: int | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> ScoreReport:
    """Save the signals of every readable image that has none yet from this model.

    Args:
        project: The pool.
        record: The model.
        settings: What to save.
        splits: Leave the images of other splits for later.
        device: As on the command line.
        batch_size: Images per forward pass; None chooses by image size and device.
        workers: Decoding processes, None for one per core; or an album of the images.
        max_bad: Fail if more images than this are unreadable.
        dry_run: Only count what would be scored.
        progress: Told of every batch.

    Raises:
        StepMissing: The model is a user's own, so alcli cannot run it.
        InputRejected: A signal is not finite, or too many images are unreadable.
        UsageError: Monte-Carlo dropout is asked of a model without dropout.
    """
    if record.external:
        raise StepMissing(
            f"model {record.id} came from a file, alcli cannot run it on new images",
            hint=project.command("score", "--from", "OUTPUTS.parquet"),
        )
    began = time.monotonic()
    place = networks.choose_device(device)
    model = networks.load(record, place)
    store = SignalStore(record.signals(project))
    scorer = Scorer(record, model, place, settings.over(store))
    if dry_run:
        return _planned(project, store, scorer, splits)
    with ledger.writing(project, "score"):
        manifest = ledger.read(project)
        _prepare(store, scorer)
        rows = _rows(manifest, splits)
        todo = inference.stale_rows(manifest, rows, store)
        size = batch_size or networks.images_at_once(scorer.transform.image_size, place)
        run = _score_frozen if model.frozen else _score_images
        unreadable = run(
            project, manifest, todo, store, scorer, batch_size=size, workers=workers, progress=progress
        )
        found = inference.with_findings(manifest, scorer.features_store(project) if model.frozen else store)
        if found is not manifest:
            ledger.commit(project, found, command="score", model=record.id, scored=len(todo))
        elif len(todo):
            ledger.note(project, "score", model=record.id, scored=len(todo))
    _check_bad(found, max_bad)
    return ScoreReport(
        record.id,
        len(todo) - unreadable,
        len(rows) - len(todo),
        unreadable,
        tuple(store.shapes),
        time.monotonic() - began,
    )


def _rows(manifest: Manifest, splits: Collection[str]) -> NDArray[np.int64]:
    """Return the rows of the readable images of some splits."""
    if set(splits) >= set(SPLITS):
        return np.flatnonzero(manifest.readable)
    mine = np.any([manifest.equals("split", name) for name in splits], axis=0)
    return np.flatnonzero(manifest.readable & mine)


def _planned(project: Project, store: SignalStore, scorer: Scorer, splits: Collection[str]) -> ScoreReport:
    """Count what would be scored."""
    manifest = ledger.read(project)
    rows = _rows(manifest, splits)
    kept = bool(store) and store.about["settings"] == scorer.settings
    todo = inference.stale_rows(manifest, rows, store) if kept else rows
    return ScoreReport(scorer.record.id, len(todo), len(rows) - len(todo), 0, tuple(scorer.shapes()), 0.0)


def _prepare(store: SignalStore, scorer: Scorer) -> None:
    """Begin the store, or begin it anew when other signals are asked for than it holds."""
    settings, classes = scorer.settings, len(scorer.record.classes)
    if settings["mc_samples"] == 1:
        raise UsageError(
            "--mc-samples 1 shows no disagreement; at least 2 are needed", hint="--mc-samples 20"
        )
    if store and store.about["settings"] == settings:
        return
    shapes = scorer.shapes()  # what cannot be computed is refused before anything is removed
    if store:
        logger.info("other signals than before are asked for: scoring every image again")
    shutil.rmtree(
        store.folder, ignore_errors=True
    )  # also what is left where a kill interrupted this very line
    if 0 < settings["top"] < classes:
        logger.info("keeping the %d largest of %d probabilities", settings["top"], classes)
    store.create(
        model=scorer.record.id,
        transform=scorer.transform.to_dict(),
        settings=settings,
        signals=shapes,
    )


def _score_images(
    project: Project,
    manifest: Manifest,
    rows: NDArray[np.int64],
    store: SignalStore,
    scorer: Scorer,
    **how: Any,
) -> int:
    return inference.save_signals(project, manifest, rows, store, scorer.transform, scorer.of_pixels, **how)


def _score_frozen(
    project: Project,
    manifest: Manifest,
    rows: NDArray[np.int64],
    store: SignalStore,
    scorer: Scorer,
    **how: Any,
) -> int:
    """Compute the backbone's features where they are missing, then the heads on all of them."""
    features = scorer.features_store(project)
    missing = inference.stale_rows(manifest, rows, features)
    unreadable = inference.save_signals(
        project, manifest, missing, features, scorer.transform, scorer.features, **how
    )
    inference.derive_signals(features, "features", store, manifest.keys[rows], scorer.of_features)
    return unreadable


def _check_bad(manifest: Manifest, max_bad: int | None) -> None:
    bad = manifest.equals("status", "unreadable")
    if max_bad is not None and bad.sum() > max_bad:
        rows = np.flatnonzero(bad)
        raise InputRejected(
            f"{len(rows)} images are unreadable, more than --max-bad {max_bad}",
            details=[
                f"{name}: {problem}"
                for name, problem in zip(
                    manifest.strings("file_name", rows), manifest.strings("problem", rows), strict=True
                )
            ],
        )
