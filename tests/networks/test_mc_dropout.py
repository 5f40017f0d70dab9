"""Monte-Carlo dropout: the same masks for every image, and a network that is left as it was."""

from __future__ import annotations

import pytest
import torch
from alcli.errors import UsageError
from alcli.networks.mc_dropout import dropout_passes, has_dropout
from torch import nn


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.Dropout2d(0.3),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(4 * 36, 3),
    ).eval()


def passes(model: nn.Module, images: torch.Tensor, samples: int = 8, seed: int = 0) -> torch.Tensor:
    with torch.inference_mode():
        return torch.stack(list(dropout_passes(model, lambda: model(images), samples, seed=seed)))


def test_passes_differ_and_repeat_exactly() -> None:
    model, images = network(), torch.randn(5, 1, 8, 8)
    first = passes(model, images)
    assert torch.equal(first, passes(model, images))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, passes(model, images, seed=1))


def test_every_image_meets_the_same_masks_whatever_the_batch() -> None:
    model, images = network(), torch.randn(6, 1, 8, 8)
    whole = passes(model, images)
    parts = torch.cat([passes(model, images[:1]), passes(model, images[1:])], dim=1)
    assert torch.allclose(whole, parts, atol=1e-5)
    twins = passes(model, images[:1].repeat(3, 1, 1, 1))
    assert torch.allclose(twins[:, 0], twins[:, 2], atol=1e-5)


def test_the_network_is_left_as_it_was() -> None:
    model, images = network(), torch.randn(4, 1, 8, 8)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    quiet = model(images)
    passes(model, images)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not model.training
    assert torch.equal(model(images), quiet)


def test_the_mean_over_masks_is_the_input() -> None:
    model = nn.Sequential(nn.Dropout(0.5)).eval()
    mean = passes(model, torch.ones(1, 200), samples=4000).mean(dim=0)
    assert mean.mean().item() == pytest.approx(1.0, abs=0.01)


def test_dropout_of_whole_channels_keeps_or_drops_them_whole() -> None:
    model = nn.Sequential(nn.Dropout2d(0.5)).eval()
    kept = passes(model, torch.ones(1, 16, 5, 5), samples=4)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert (kept.amax(dim=(-1, -2)) == kept.amin(dim=(-1, -2))).all()


def test_a_network_without_dropout_is_refused() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.0)).eval()
    assert not has_dropout(model)
    with pytest.raises(UsageError, match="no active dropout") as failure:
        passes(model, torch.ones(1, 2))
    assert "--dropout" in str(failure.value.hint)
