"""Temperature scaling against values worked by hand (Guo et al., 2017)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from alcli.training.calibration import expected_calibration_error, fit_temperature

# Three of four right at logit difference 2: the likeliest confidence is 3/4, so 2 / T = ln 3.
LOGITS = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
CODES = np.array([0, 0, 1, 1])


def test_golden_fit() -> None:
    fitted = fit_temperature(LOGITS, CODES)
    assert fitted.temperature == pytest.approx(2 / math.log(3), abs=1e-5)
    assert fitted.nll == pytest.approx((0.626928, 0.562335), abs=1e-6)
    assert fitted.ece == pytest.approx((0.130797, 0.0), abs=1e-6)


def test_an_all_correct_hold_out_is_clamped_not_driven_to_zero() -> None:
    assert fit_temperature(LOGITS, np.array([0, 0, 0, 1])).temperature == pytest.approx(0.05, abs=2e-3)


def test_useless_logits_are_clamped_too() -> None:
    assert fit_temperature(LOGITS, np.array([1, 1, 1, 0])).temperature == pytest.approx(20.0, abs=0.1)


def test_calibration_error_by_hand() -> None:
    # Two bins: confidence .9 with one of two right (gap .4), confidence .6 with all right (gap .4).
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    codes = np.array([0, 1, 0, 0])
    assert expected_calibration_error(np.log(probabilities), codes) == pytest.approx(0.4)


def test_huge_logits_are_no_nan() -> None:
    fitted = fit_temperature(np.array([[1000.0, 0.0], [0.0, 1000.0]]), np.array([0, 0]))
    assert np.isfinite(fitted.temperature)
    assert np.isfinite(fitted.nll).all()
