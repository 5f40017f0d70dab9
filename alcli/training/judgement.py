"""The figures of a finished model, and its temperature."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from alcli.networks import Model, Outputs
from alcli.training.batches import in_order
from alcli.training.calibration import MINIMUM_LABELS, fit_temperature
from alcli.training.checkpoints import Fitting
from alcli.training.evaluation import (
    HELD_AT_ONCE,
    Centres,
    accuracy,
    cluster_figures,
    model_outputs,
    nearest_centre,
)
from alcli.training.inputs import Examples

logger = logging.getLogger("alcli")


@dataclass(frozen=True)
class Judgement:
    """What is recorded of a model.

    Attributes:
        temperature: 1 if it was not fitted.
        metrics: Accuracies in [0, 1] and losses in nats, by name.
    """

    temperature: float
    metrics: dict[str, Any]


def judge(model: Model, examples: dict[str, Examples], fittings: dict[str, Fitting]) -> Judgement:
    """Judge a model on every split; its own training images give the classes' centres.

    Args:
        model: Trained, in evaluation mode.
        examples: By split; `val` and `test` may be empty.
        fittings: By network, how training went.
    """
    metrics: dict[str, Any] = {}
    for name, fitting in fittings.items():
        prefix = "" if name in ("classifier", "joint", "ccl") else f"{name}_"
        metrics |= {f"{prefix}epochs": len(fitting.log), f"{prefix}best_epoch": fitting.best_epoch}
    predicted, centres = _of_learned(model, examples["train"])
    metrics["train_accuracy"] = accuracy(predicted, examples["train"].codes)
    clusters = model.plan.objective == "ccl"
    if clusters:
        metrics |= cluster_figures("train", predicted, examples["train"].codes)
    temperature = 1.0
    for name in ("val", "test"):
        codes = examples[name].codes
        if not len(codes):
            continue
        outputs = model_outputs(model, examples[name])
        metrics |= _figures(name, outputs, codes, centres)
        if clusters:
            metrics |= cluster_figures(name, _predicted(outputs), codes)
        elif name == "val":
            temperature, calibration = _calibrate(outputs, codes)
            metrics |= calibration
    return Judgement(temperature, metrics)


def _of_learned(model: Model, learned: Examples) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Return the (n,) predictions of the images learned from, and the classes' (c, t) centres if there are any.

    There may be a million of them, so that what the networks say is held of a few thousand at a time.
    """
    predicted, centres = np.empty(len(learned), np.int64), None
    for positions in in_order(len(learned), HELD_AT_ONCE):
        outputs = model_outputs(model, learned, positions)
        predicted[positions] = _predicted(outputs)
        if outputs.triplet_embeddings is not None:
            centres = centres or Centres(outputs.logits.shape[1], outputs.triplet_embeddings.shape[1])
            centres.add(outputs.triplet_embeddings.numpy(), learned.codes[positions])
    return predicted, centres.means() if centres else None


def _figures(
    name: str, outputs: Outputs, codes: NDArray[np.int64], centres: NDArray[np.float64] | None
) -> dict[str, float]:
    loss = F.cross_entropy(outputs.logits, torch.from_numpy(codes))
    figures = {f"{name}_accuracy": accuracy(_predicted(outputs), codes), f"{name}_loss": float(loss)}
    if centres is not None and outputs.triplet_embeddings is not None:
        found = nearest_centre(outputs.triplet_embeddings.numpy(), centres)
        figures[f"nearest_centre_{name}_accuracy"] = accuracy(found, codes)
    return figures


def _calibrate(outputs: Outputs, codes: NDArray[np.int64]) -> tuple[float, dict[str, float]]:
    if len(codes) < MINIMUM_LABELS:
        logger.info(
            "temperature not fitted: %d validation labels, %d are needed; probabilities are left as they are",
            len(codes),
            MINIMUM_LABELS,
        )
        return 1.0, {}
    fitted = fit_temperature(outputs.logits.numpy().astype(np.float64), codes)
    names = ("val_nll", "val_nll_calibrated", "val_ece", "val_ece_calibrated")
    return fitted.temperature, dict(zip(names, (*fitted.nll, *fitted.ece), strict=True))


def _predicted(outputs: Outputs) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = outputs.logits.argmax(dim=1).numpy()
    return codes
