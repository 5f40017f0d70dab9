"""Mixup against what its paper writes down."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from alcli.training.mixing import mixed
from scipy import stats


def test_images_and_targets_are_mixed_alike() -> None:
    """Images that are their own targets stay that, and every partner comes up once."""
    shares = torch.eye(5)
    inputs, targets = mixed(shares.clone(), shares, 0.4, np.random.default_rng(3))
    assert torch.equal(inputs, targets)
    assert torch.allclose(targets.sum(dim=1), torch.ones(5))
    assert torch.allclose(targets.sum(dim=0), torch.ones(5))
    main = targets.diagonal()[targets.diagonal() < 1]
    assert len(set(main.tolist())) == 1  # one λ for the batch


def test_the_same_draws_give_the_same_mixture() -> None:
    inputs, shares = torch.randn(8, 1, 4, 4), torch.eye(8)
    one, other, third = (mixed(inputs, shares, 1.0, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(one[0], other[0])
    assert not torch.equal(one[0], third[0])
    assert one[0].shape == inputs.shape


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_lambda_has_the_beta_distribution(alpha: float) -> None:
    """Of two images that swap, 1 stays λ; of two that do not, nothing is learned of λ."""
    rng, found = np.random.default_rng(0), []
    while len(found) < 300:
        value = mixed(torch.tensor([[1.0], [0.0]]), torch.eye(2), alpha, rng)[1]
        if value[0, 1] > 0:
            found.append(value[0, 0].item())
    assert stats.kstest(found, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_a_lone_image_is_mixed_with_itself() -> None:
    inputs, targets = mixed(torch.ones(1, 3), torch.tensor([[0.0, 1.0]]), 1.0, np.random.default_rng(0))
    assert inputs.tolist() == pytest.approx(torch.ones(1, 3).numpy())
    assert targets[0].tolist() == pytest.approx([0, 1])
