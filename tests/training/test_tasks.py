"""What is minimised: class weights against scikit-learn, refined targets by hand; and which epoch is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from alcli import networks
from alcli.networks import Blueprint
from alcli.training.checkpoints import Fitting
from alcli.training.criterion import Criterion
from alcli.training.inputs import Examples, Features
from alcli.training.loop import Batch
from alcli.training.refining import Manner, Refiner
from alcli.training.tasks import balanced_weights, classifier_task
from sklearn.utils.class_weight import compute_class_weight


def test_balanced_weights_are_scikit_learn_s() -> None:
    codes = np.array([0] * 7 + [1] * 2 + [3] * 1)
    weights = balanced_weights(codes, 4).numpy()
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=codes)
    assert weights[[0, 1, 3]] == pytest.approx(expected)
    assert weights[2] == 0  # no image, no loss


def test_with_a_refiner_its_targets_are_taught_and_its_pressure_is_added() -> None:
    codes, given_by_model = np.array([0, 2, 1, 2]), np.array([False, True, False, True])
    refiner = Refiner("mean", Manner(), codes, given_by_model, classes=3, warm_up=0)
    refiner.history.add([torch.tensor([[0.5, 0.4, 0.1], [0.2, 0.7, 0.1]])])
    model = networks.build(Blueprint("lenet", 3, 1, 8, embedding="none"))
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    examples, criterion = Examples(Features(images), codes), Criterion(3)
    task = classifier_task(model, examples, examples, size=4, criterion=criterion, refiner=refiner)
    batch = Batch(images, torch.from_numpy(codes), np.arange(4), 1, np.random.default_rng(0))
    targets = torch.tensor([[1, 0, 0], [0.5, 0.4, 0.1], [0, 1, 0], [0.2, 0.7, 0.1]])
    logs = model.classifier(images)[0].log_softmax(dim=1)
    mean = logs.exp().mean(dim=0)
    pressure = -0.8 * mean.log().mean() - 0.4 * (logs.exp() * logs).sum(dim=1).mean()
    expected = -(targets * logs).sum(dim=1).mean() + pressure
    assert task.loss(batch)[0].item() == pytest.approx(
        expected.item(), abs=2e-4
    )  # the past is kept in float16


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
