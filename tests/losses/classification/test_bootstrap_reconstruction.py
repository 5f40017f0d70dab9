"""Bootstrapping with reconstruction: the golden value of algorithms.md A.14, and that the maps learn."""

from __future__ import annotations

import pytest
import torch
from alcli.losses.classification.bootstrap_reconstruction import Maps, bootstrap_reconstruction

PROBABILITIES = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64)
TARGETS = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)


def golden_maps() -> Maps:
    """W1 such that softmax(W1 q) = q, which the golden value supposes, and W2 as there."""
    maps = Maps(3, 2).double()
    maps.labels.data = torch.diag((PROBABILITIES.log() / PROBABILITIES)[0])
    maps.pixels.data = torch.tensor([[1, 0.2, 0.1], [0, 0.5, 0.9]], dtype=torch.float64)
    return maps


def test_golden_value() -> None:
    """There the error, .0986, is a sum over two pixels; here it is their mean, so that β is twice as large."""
    image = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    value = bootstrap_reconstruction(
        PROBABILITIES.log(), TARGETS, inputs=image, maps=golden_maps(), beta=2 * 0.5
    )
    assert value.item() == pytest.approx(1.658738, abs=1e-6)


def test_at_first_a_label_is_right_in_nine_of_ten_cases_and_nothing_is_reconstructed() -> None:
    maps = Maps(10, 784)
    sure = torch.full((1, 10), -1e4)
    sure[0, 3] = 1e4
    one_hot = torch.eye(10)[[3]]
    value = bootstrap_reconstruction(sure, one_hot, inputs=torch.zeros(1, 784), maps=maps)
    assert value.exp().item() == pytest.approx(1 / 0.9, rel=1e-5)
    assert not maps.pixels.any()


def test_the_maps_learn_how_labels_are_mixed_up_and_what_classes_look_like() -> None:
    """Class 0 is always labelled 1, and shows a bright pixel; class 1 is labelled right, and is dark."""
    maps = Maps(2, 1)
    optimiser = torch.optim.Adam(maps.parameters(), lr=0.1)
    logits = torch.tensor([[20.0, -20.0], [-20.0, 20.0]])
    labels, images = torch.tensor([[0.0, 1.0], [0.0, 1.0]]), torch.tensor([[1.0], [-1.0]])
    for _ in range(200):
        optimiser.zero_grad()
        bootstrap_reconstruction(logits, labels, inputs=images, maps=maps, beta=1.0).mean().backward()
        optimiser.step()
    given = torch.softmax(maps.labels.T, dim=1)  # row: true class
    assert (given[:, 1] > 0.95).all()
    assert maps.pixels[0].tolist() == pytest.approx([1, -1], abs=0.05)


def test_one_class() -> None:
    value = bootstrap_reconstruction(
        torch.zeros(2, 1), torch.ones(2, 1), inputs=torch.zeros(2, 4), maps=Maps(1, 4)
    )
    assert value.tolist() == [0, 0]
