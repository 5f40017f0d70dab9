"""What is minimised over a batch: against torch's own cross-entropy, and by hand."""

from __future__ import annotations

import pytest
import torch
from alcli.losses.classification.bootstrap_hard import bootstrap_hard
from alcli.training.criterion import Criterion, credit
from torch import Tensor, nn
from torch.nn import functional as F

LOGITS = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
CODES = torch.arange(9) % 4
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 4.0])


def mean(criterion: Criterion, targets: Tensor, *, logits: Tensor = LOGITS, epoch: int = 1) -> float:
    return criterion.mean(logits, targets, inputs=torch.zeros(len(logits), 1), epoch=epoch).item()


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_plain_cross_entropy_of_codes_is_torch_s_to_the_bit(weights: Tensor | None) -> None:
    assert mean(Criterion(4, weights=weights), CODES) == F.cross_entropy(LOGITS, CODES, weight=weights).item()


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_codes_and_one_hot_shares_are_the_same_thing(weights: Tensor | None) -> None:
    criterion = Criterion(4, weights=weights)
    assert mean(criterion, criterion.as_shares(CODES)) == pytest.approx(mean(criterion, CODES), rel=1e-6)


def test_label_smoothing_is_torch_s() -> None:
    expected = F.cross_entropy(LOGITS, CODES, label_smoothing=0.3).item()
    assert mean(Criterion(4, smoothing=0.3), CODES) == pytest.approx(expected, rel=1e-6)


def test_any_loss_is_smoothed() -> None:
    shares = 0.7 * F.one_hot(CODES, 4) + 0.3 / 4
    expected = bootstrap_hard(LOGITS, shares).mean().item()
    assert mean(Criterion(4, bootstrap_hard, smoothing=0.3), CODES) == pytest.approx(expected, rel=1e-6)


def test_class_weights_weigh_images_of_any_loss() -> None:
    criterion = Criterion(4, bootstrap_hard, {"beta": 0.5}, weights=WEIGHTS)
    each = bootstrap_hard(LOGITS, F.one_hot(CODES, 4).float(), beta=0.5)
    expected = sum(each[i] * WEIGHTS[CODES[i]] for i in range(9)) / sum(WEIGHTS[CODES[i]] for i in range(9))
    assert mean(criterion, CODES) == pytest.approx(expected.item(), rel=1e-6)


def test_a_mixture_weighs_as_the_mixture_of_its_classes() -> None:
    logits, weights = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([1.0, 3.0])
    targets = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    first, second = F.cross_entropy(logits, targets, reduction="none").tolist()
    expected = (2 * first + 1 * second) / 3
    assert mean(Criterion(2, weights=weights), targets, logits=logits) == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_comes_first() -> None:
    criterion = Criterion(4, bootstrap_hard, {"beta": 0.5}, warm_up=2)
    plain = F.cross_entropy(LOGITS, CODES).item()
    own = bootstrap_hard(LOGITS, F.one_hot(CODES, 4).float(), beta=0.5).mean().item()
    found = [mean(criterion, CODES, epoch=epoch) for epoch in (1, 2, 3)]
    assert found == pytest.approx([plain, plain, own])


def test_maps_are_trained_with_the_network_only_if_there_are_any() -> None:
    network, maps = nn.Linear(2, 2), nn.Linear(3, 3)
    assert Criterion(2).around(network) is network
    both = Criterion(2, maps=maps).around(network)
    assert len(list(both.parameters())) == 4


def test_credit_is_what_the_targets_give_to_the_predicted_class() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0]])
    assert credit(logits, torch.tensor([0, 1, 1])).item() == 2
    assert credit(logits, torch.tensor([[0.7, 0.3], [0.6, 0.4], [0.0, 1.0]])).item() == pytest.approx(1.1)
