"""The share of wrong labels that co-teaching reckons with: as given, or estimated from what a model sees."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alcli import inference, models
from alcli.errors import StepMissing
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.project import Project
from alcli.signals import SignalStore
from alcli.training.options import Options, given_noise_rate
from alcli.training.splits import Split, labels_digest

logger = logging.getLogger("alcli")

GIVEN = "given"
_SIGNAL = "embeddings"
_MOST = 0.99  # with every label wrong there would be nothing to keep
_DECIMALS = 4


@dataclass(frozen=True)
class NoiseRate:
    """A share of wrong labels.

    Attributes:
        value: In [0, 1).
        source: `given`, or `estimated from model …`.
    """

    value: float
    source: str


def rate(options: Options, project: Project, manifest: Manifest, train: Split) -> NoiseRate | None:
    """Return the noise rate for co-teaching; None without it.

    Where none is given it is estimated by confident learning (Northcutt, Jiang & Chuang, 2021, JAIR 70): the
    given labels are held against class probabilities that are cross-fitted on a model's embeddings. The model
    is the newest one that all images to learn from were scored with. Those that came of an estimate on these
    labels do not count, so that the same call twice estimates the same.

    Raises:
        UsageError: The rate is not a share in [0, 1).
        StepMissing: It is to be estimated, and no model's embeddings of the labelled images are there.
    """
    if not options.co_teaching:
        return None
    share = given_noise_rate(options)
    if share is not None:
        return NoiseRate(share, GIVEN)
    record, embeddings = _newest_embeddings(project, manifest, train)
    share = _estimate(embeddings, manifest, train, options.seed)
    if models.repeats_labels(project, record) and _learned(record, manifest.keys[train.rows]):
        logger.warning(
            "model %s learned from some of these labels, so its embeddings repeat wrong ones, and the estimate is too "
            "low; a backbone that stays as it is does not learn them, or give --noise-rate a share",
            record.id,
        )
    logger.info(
        "noise rate: %.1f %% of the labels seem wrong, estimated by confident learning on the embeddings of "
        "model %s",
        100 * share,
        record.id,
    )
    return NoiseRate(share, f"estimated from model {record.id}")


def _learned(record: ModelRecord, keys: NDArray[np.uint64]) -> bool:
    known = models.learned(record)
    return known is None or bool(np.isin(keys, known).any())


def _estimate(embeddings: NDArray[np.float32], manifest: Manifest, train: Split, seed: int) -> float:
    from alcli.quality import confident, crossfit

    keys, classes = manifest.keys[train.rows], len(manifest.classes)
    probabilities = crossfit.probabilities(embeddings, train.codes, classes, keys=keys, seed=seed)
    return round(min(confident.noise_rate(train.codes, probabilities), _MOST), _DECIMALS)


def _newest_embeddings(
    project: Project, manifest: Manifest, train: Split
) -> tuple[ModelRecord, NDArray[np.float32]]:
    """Return the model to estimate from and what it makes of the images to learn from, (n, d)."""
    keys, now = manifest.keys[train.rows], labels_digest(manifest, train)
    for record in reversed(models.all_models(project)):
        known = record.about.get("options", {}).get("noise_rate") or {}
        if known.get("source", GIVEN) != GIVEN and record.about["labels_digest"] == now:
            continue
        store = SignalStore(record.signals(project))
        if not store or _SIGNAL not in store.shapes:
            continue
        stale = train.rows[store.locate(keys) < 0]
        if not record.external:
            stale = inference.stale_rows(manifest, train.rows, store)
        if not len(stale):
            return record, store.read([_SIGNAL], keys)[_SIGNAL].astype(np.float32)
    raise StepMissing(
        "--noise-rate auto needs a model that all labelled images were scored with, and there is none",
        hint=f"{project.command('train')} and {project.command('score')} first, or --noise-rate 0.2",
    )
