"""What is minimised: class weights against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.training.checkpoints import Fitting
from alcli.training.tasks import balanced_weights
from sklearn.utils.class_weight import compute_class_weight


def test_balanced_weights_are_scikit_learn_s() -> None:
    codes = np.array([0] * 7 + [1] * 2 + [3] * 1)
    weights = balanced_weights(codes, 4).numpy()
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=codes)
    assert weights[[0, 1, 3]] == pytest.approx(expected)
    assert weights[2] == 0  # no image, no loss


def test_the_best_epoch_is_the_later_of_the_most_accurate_after_the_first_third() -> None:
    def fitting(*accuracies: float) -> Fitting:
        return Fitting(
            9, [{"epoch": n, "val_accuracy": accuracy} for n, accuracy in enumerate(accuracies, 1)]
        )

    assert fitting().best_epoch == 0
    assert fitting(0.9, 0.8).best_epoch == 2
    assert fitting(0.9, 0.8, 0.9, 0.5).best_epoch == 4
    assert fitting(0.9, 0.8, 0.9, 0.5, 0.7, 0.6, 0.7, 0.6).best_epoch == 7
    assert Fitting(2, [{"epoch": 1, "loss": 1}, {"epoch": 2, "loss": 2}]).best_epoch == 2
