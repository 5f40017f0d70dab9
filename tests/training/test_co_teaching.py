"""Co-teaching: the golden values of algorithms.md A.16, and who learns from whose picks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from alcli.networks import Blueprint, build
from alcli.training.co_teaching import _exchanged, co_teaching_task, kept_share, surest
from alcli.training.criterion import Criterion
from alcli.training.inputs import Examples, Features
from alcli.training.loop import Batch
from torch import Tensor
from torch.nn import functional as F


def test_golden_shares() -> None:
    """R(0, 1, 5, 10, 50) at τ = .2, T_k = 10; our epochs count from 1."""
    found = [kept_share(past + 1, 0.2, ramp=10) for past in (0, 1, 5, 10, 50)]
    assert found == pytest.approx([1, 0.98, 0.9, 0.8, 0.8])


@pytest.mark.parametrize(("share", "count"), [(1.0, 4), (0.5, 2), (0.99, 3), (0.75, 3), (0.01, 1)])
def test_the_smallest_losses_are_picked_at_least_one(share: float, count: int) -> None:
    assert surest(torch.tensor([0.1, 2.0, 0.3, 0.2]), share).tolist() == [0, 3, 2, 1][:count]


def test_a_share_that_is_a_whole_number_but_for_rounding() -> None:
    assert len(surest(torch.arange(100.0), 0.57)) == 57  # 0.57 * 100 is 56.99999999999999


def test_of_equal_losses_the_first_are_picked() -> None:
    assert surest(torch.zeros(5), 0.4).tolist() == [0, 1]


def logits_with(losses: list[float]) -> Tensor:
    """Return (b, 2) logits whose cross-entropy with class 0 is `losses`."""
    right = torch.tensor(losses, dtype=torch.float64).neg().exp()
    return torch.stack([right, 1 - right], dim=1).log().float()


def test_golden_exchange() -> None:
    """Losses (.1, 2, .3, .2) and (1.5, .2, .4, .1), R = .5: means 1.1 over {3, 1} and .8 over {0, 3}."""
    answers = [logits_with([0.1, 2, 0.3, 0.2]), logits_with([1.5, 0.2, 0.4, 0.1])]
    codes = torch.zeros(4, dtype=torch.int64)
    picked = [surest(F.cross_entropy(one, codes, reduction="none"), 0.5) for one in answers]
    assert [sorted(rows.tolist()) for rows in picked] == [[0, 3], [1, 3]]
    batch = Batch(torch.zeros(4, 1), codes, np.arange(4), 1, np.random.default_rng(0))
    assert _exchanged(answers, picked, batch, Criterion(2)).item() == pytest.approx(1.1 + 0.8, abs=1e-6)


def test_each_network_learns_from_the_other_s_picks_alone() -> None:
    plan = Blueprint("lenet", 2, 1, 8, embedding="none", frozen=True)
    model, peer = build(plan, seed=0), build(plan, seed=1).classifier
    for parameter in [*model.classifier.backbone.parameters(), *peer.backbone.parameters()]:
        parameter.requires_grad_(requires_grad=False)
    features = torch.eye(model.width)[:4]
    train = Examples(Features(features), np.array([0, 1, 0, 1]))
    task = co_teaching_task(model, peer, train, train, size=4, criterion=Criterion(2), noise_rate=0.5, ramp=1)
    codes = torch.from_numpy(train.codes)
    model.eval(), peer.eval()  # so that dropout does not blur whose loss is small
    loss, _ = task.loss(Batch(features, codes, np.arange(4), 2, np.random.default_rng(0)))
    loss.backward()
    for mine, other in ((model.classifier, peer), (peer, model.classifier)):
        small = F.cross_entropy(other.classify(features)[0], codes, reduction="none").argsort()[:2]
        # image i is the i-th unit vector, so the head's gradient has a column per image
        learned = mine.head.weight.grad.abs().sum(dim=0)[:4].nonzero().flatten()
        assert sorted(learned.tolist()) == sorted(small.tolist())
    assert task.judge()["val_accuracy"] in (0.0, 0.25, 0.5, 0.75, 1.0)


def test_without_noise_it_trains_two_networks_as_if_alone() -> None:
    answers = [torch.randn(6, 3, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    codes = torch.arange(6) % 3
    batch = Batch(torch.zeros(6, 1), codes, np.arange(6), 99, np.random.default_rng(0))
    everything = [torch.arange(6)] * 2
    expected = sum(F.cross_entropy(one, codes) for one in answers)
    found = _exchanged(answers, everything, batch, dataclasses.replace(Criterion(3)))
    assert found.item() == pytest.approx(expected.item())
