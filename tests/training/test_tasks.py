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


def test_the_best_epoch_by_accuracy_then_loss_then_the_later_one() -> None:
    def line(epoch: int, accuracy: float, loss: float) -> dict[str, float]:
        return {"epoch": epoch, "val_accuracy": accuracy, "val_loss": loss}

    assert Fitting([line(1, 0.9, 0.5), line(2, 0.8, 0.1), line(3, 0.9, 0.4)]).best_epoch == 3
    assert Fitting([line(1, 0.9, 0.3), line(2, 0.9, 0.4)]).best_epoch == 1
    assert Fitting([line(1, 0.9, 0.3), line(2, 0.9, 0.3), line(3, 0.1, 0.3)]).best_epoch == 2
    assert Fitting([{"epoch": 1, "loss": 1}, {"epoch": 2, "loss": 2}]).best_epoch == 2
