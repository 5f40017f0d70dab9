"""What holds for every loss of a classifier: a value per image, right gradients, no NaN."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from alcli import parameters, plugins
from alcli.losses.classification.bootstrap_reconstruction import Maps
from torch import Tensor
from torch.nn import functional as F

PACKAGE = "alcli.losses.classification"
NAMES = plugins.names(PACKAGE)
SHAPE = (2, 1, 2)  # of an image: four pixels


def loss_called(name: str, classes: int) -> Callable[..., Tensor]:
    """Return a loss with what it needs beside logits and targets."""
    function = plugins.load(PACKAGE, name, kind="loss")
    if "maps" not in inspect.signature(function).parameters:
        return function

    def with_maps(logits: Tensor, targets: Tensor, **options: Any) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        maps = Maps(classes, 4).to(logits.dtype)
        maps.pixels.data = torch.rand(4, classes, generator=generator, dtype=logits.dtype)
        inputs = torch.rand(len(logits), *SHAPE, generator=generator, dtype=logits.dtype)
        return function(logits, targets, inputs=inputs, maps=maps, **options)

    return with_maps


def test_the_losses_that_there_are() -> None:
    assert NAMES == ["bootstrap-hard", "bootstrap-reconstruction", "bootstrap-soft", "cross-entropy"]


@pytest.mark.parametrize("name", NAMES)
def test_every_image_has_its_own_value_whatever_else_is_in_the_batch(name: str) -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.softmax(logits.flip(0), dim=1)
    loss = loss_called(name, 4)
    together = loss(logits, targets)
    assert together.shape == (6,)
    assert loss(logits[:1], targets[:1]).item() == pytest.approx(together[0].item(), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    soft = torch.softmax(torch.randn(5, 3, generator=generator, dtype=torch.float64), dim=1)
    hard = F.one_hot(torch.arange(5) % 3, 3).double()
    loss = loss_called(name, 3)
    for targets in (hard, soft):
        assert torch.autograd.gradcheck(lambda z, t=targets: loss(z, t), (logits,))


@pytest.mark.parametrize("name", NAMES)
def test_huge_logits_are_no_nan(name: str) -> None:
    logits = torch.tensor([[1000.0, 0.0, -1000.0], [0.0, 0.0, 0.0]], requires_grad=True)
    values = loss_called(name, 3)(logits, F.one_hot(torch.tensor([0, 2]), 3).float())
    values.sum().backward()
    assert torch.isfinite(values).all()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bootstrap-reconstruction"])
def test_a_sure_and_right_answer_costs_nothing(name: str) -> None:
    logits = torch.tensor([[1000.0, 0.0, -1000.0]])
    assert loss_called(name, 3)(logits, F.one_hot(torch.tensor([0]), 3).float()).item() == 0


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bootstrap-reconstruction"])
def test_one_class_costs_nothing(name: str) -> None:
    logits = torch.tensor([[3.0], [-7.0]])
    assert loss_called(name, 1)(logits, torch.ones(2, 1)).tolist() == [0, 0]


@pytest.mark.parametrize("name", ["bootstrap-hard", "bootstrap-soft"])
def test_labels_that_are_wholly_believed_make_it_cross_entropy(name: str) -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    codes = torch.arange(6) % 4
    values = loss_called(name, 4)(logits, F.one_hot(codes, 4).float(), beta=1.0)
    assert values.tolist() == pytest.approx(F.cross_entropy(logits, codes, reduction="none").tolist())


@pytest.mark.parametrize("name", NAMES)
def test_options_have_legal_defaults(name: str) -> None:
    for option in parameters.of(plugins.load(PACKAGE, name, kind="loss")).values():
        assert option.convert(option.default) == option.default
