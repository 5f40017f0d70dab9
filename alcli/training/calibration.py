"""Temperature scaling (Guo, Pleiss, Sun & Weinberger, 2017, arXiv 1706.04599, section 4.2).

One number T divides all logits, chosen so that probabilities are as right as they claim on held-out labels.
It changes no prediction, but it does change which of two images the model is less sure of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

MINIMUM_LABELS = 100  # on fewer the fit is worse than none
_LOG_RANGE = (-3.0, 3.0)
_RANGE = (0.05, 20.0)
_BINS = 15

Logits = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Calibration:
    """What a temperature does to held-out logits.

    Attributes:
        temperature: T, in [0.05, 20].
        nll: Mean negative log-likelihood in nats before and after.
        ece: Expected calibration error, in [0, 1], before and after.
    """

    temperature: float
    nll: tuple[float, float]
    ece: tuple[float, float]


def fit_temperature(logits: Logits, codes: Codes) -> Calibration:
    """Return the temperature that makes held-out labels likeliest.

    Args:
        logits: (n, c), of images that were not trained on.
        codes: (n,) class codes.
    """

    def loss(log_temperature: float) -> float:
        return _nll(logits / np.exp(log_temperature), codes)

    found = minimize_scalar(loss, bounds=_LOG_RANGE, method="bounded", options={"xatol": 1e-9})
    temperature = float(np.clip(np.exp(found.x), *_RANGE))
    scaled = logits / temperature
    return Calibration(
        temperature,
        (_nll(logits, codes), _nll(scaled, codes)),
        (expected_calibration_error(logits, codes), expected_calibration_error(scaled, codes)),
    )


def expected_calibration_error(logits: Logits, codes: Codes) -> float:
    """Return the mean gap between confidence and accuracy over 15 equal-width bins of confidence."""
    confidence = np.exp(log_softmax(logits, axis=1).max(axis=1))  # (n,)
    right = logits.argmax(axis=1) == codes
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(codes))


def _nll(logits: Logits, codes: Codes) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(codes)), codes].mean())
