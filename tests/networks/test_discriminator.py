"""The discriminator, against torch's own layers, gradients and optimiser."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from alcli.networks import discriminator
from alcli.networks.discriminator import Perceptron, Recipe, discriminate, recipe
from torch import nn


def clouds(labelled: int, others: int, *, width: int = 40, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(labelled + others, width)).astype(np.float32)
    points[labelled:] += np.float32(shift)
    return points


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (128, (1e-4, 128, 1_000)),
        (512, (2e-4, 1_024, 500)),
        (32, (3e-4, 1_024, 500)),
        (6, (1e-3, 32, 1_000)),
        (768, (1e-3, 32, 1_000)),
    ],
)
def test_published_recipes(width: int, expected: tuple[float, int, int]) -> None:
    how = recipe(width)
    assert (how.rate, how.batch, how.epochs) == expected
    assert how.stop == 0.98


def test_many_rows_are_trained_on_for_fewer_epochs() -> None:
    small, middle, large = (recipe(512).for_rows(rows) for rows in (1_000, 11_000, 1_100_000))
    assert (small.epochs, middle.epochs, large.epochs) == (500, 90, 10)
    assert recipe(256).for_rows(11_000).batch == 32
    assert recipe(256).for_rows(1_100_000).batch == 1_024


@pytest.mark.parametrize(("width", "hidden"), [(6, 20), (29, 20), (30, 256)])
def test_layers(width: int, hidden: int) -> None:
    network = Perceptron(width, torch.Generator().manual_seed(0), "cpu")
    assert network.shapes == [(hidden, width), (hidden, hidden), (hidden, hidden), (2, hidden)]
    for weights, bias in network.layers:
        limit = (6 / sum(weights.shape)) ** 0.5
        assert weights.abs().max() <= limit
        assert weights.std() == pytest.approx(limit / 3**0.5, rel=0.25)
        assert not bias.any()


def twin(network: Perceptron) -> nn.Sequential:
    """The same network of torch's own layers."""
    modules: list[nn.Module] = []
    for weights, bias in network.layers:
        layer = nn.Linear(weights.shape[1], weights.shape[0])
        layer.weight.data.copy_(weights)
        layer.bias.data.copy_(bias)
        modules += [layer, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


@pytest.mark.parametrize("width", [6, 40])
def test_gradients_are_those_of_autograd(width: int) -> None:
    network = Perceptron(width, torch.Generator().manual_seed(1), "cpu")
    points = torch.from_numpy(clouds(5, 11, width=width))
    targets = (torch.arange(16) >= 5).float()
    weights = torch.linspace(0.5, 2, 16)
    model = twin(network)
    loss = nn.functional.cross_entropy(model(points), targets.long(), reduction="none")
    (loss * weights).mean().backward()
    network.descend(points, targets, weights)
    expected = torch.cat([value.grad.flatten() for value in model.parameters()])
    assert network.gradients.numpy() == pytest.approx(expected.numpy(), abs=1e-6)


def test_training_is_that_of_torch() -> None:
    """Plain loops, autograd and torch's Adam, with the same first weights and shuffles."""
    points, how = clouds(12, 30, shift=0.3), Recipe(1e-3, 16, 7, stop=1.0)
    verdict = discriminate(points, 12, how, seed=5)
    generator = torch.Generator().manual_seed(5)
    model = twin(Perceptron(40, generator, "cpu"))
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
    rows, targets = torch.from_numpy(points), (torch.arange(42) >= 12).long()
    for _ in range(7):
        right = 0
        for batch in torch.randperm(42, generator=generator).split(16):
            outputs = model(rows[batch])
            right += int((outputs.argmax(dim=1) == targets[batch]).sum())
            adam.zero_grad()
            nn.functional.cross_entropy(outputs, targets[batch]).backward()
            adam.step()
    expected = model(rows[12:]).softmax(dim=1)[:, 1].detach().numpy()
    assert verdict.unlabelled == pytest.approx(expected, abs=1e-3)
    assert verdict.accuracy == pytest.approx(right / 42)
    assert verdict.epochs == 7


def test_it_stops_with_the_first_epoch_that_is_accurate_enough() -> None:
    points = clouds(30, 60, shift=2.0)
    how = dataclasses.replace(recipe(40), stop=0.9)
    verdict = discriminate(points, 30, how, seed=0)
    assert verdict.accuracy > 0.9
    assert verdict.epochs < 20
    before = discriminate(points, 30, dataclasses.replace(how, epochs=verdict.epochs - 1), seed=0)
    assert before.accuracy <= 0.9


def test_balanced_weights_make_the_smaller_class_count() -> None:
    """Of 10 against 200 alike points, "all are unlabelled" is 95 % accurate, and balanced 50 %."""
    points = clouds(10, 200)
    how = Recipe(1e-4, 32, 3, stop=0.8)
    assert discriminate(points, 10, how, seed=0).accuracy > 0.8
    assert discriminate(points, 10, dataclasses.replace(how, balanced=True), seed=0).accuracy < 0.8


def test_equal_points_are_all_as_likely() -> None:
    points = np.ones((30, 5), np.float32)
    assert discriminate(points, 10, recipe(5), seed=0).unlabelled.tolist() == [20 / 30] * 20
    balanced = dataclasses.replace(recipe(5), balanced=True)
    assert discriminate(points, 10, balanced, seed=0).unlabelled.tolist() == [0.5] * 20


def test_same_seed_same_bytes_whatever_the_number_of_threads() -> None:
    points, how = clouds(60, 600, width=512), Recipe(1e-3, 256, 3)
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(discriminate(points, 60, how, seed=3).unlabelled.tobytes())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert len(set(found)) == 1
    assert discriminate(points, 60, how, seed=4).unlabelled.tobytes() != found[0]


def test_the_callers_random_state_and_points_are_left_alone() -> None:
    points = clouds(5, 20)
    kept, state = points.copy(), torch.get_rng_state()
    discriminate(points, 5, Recipe(1e-3, 8, 2), seed=0)
    assert np.array_equal(points, kept)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("far", [1e3, 1e8])
def test_far_points_stay_finite(far: float) -> None:
    points = clouds(5, 20) * np.float32(far)
    verdict = discriminate(points, 5, Recipe(1e-3, 8, 3), seed=0)
    assert np.isfinite(verdict.unlabelled).all()


def test_points_that_are_equal_are_as_likely_wherever_they_lie() -> None:
    points = np.concatenate([clouds(8, 0), np.tile(clouds(0, 3, seed=1), (41, 1))])
    found = discriminate(points, 8, Recipe(1e-3, 32, 20), seed=0).unlabelled.reshape(41, 3)
    assert (found == found[0]).all()


@pytest.mark.gpu
def test_a_gpu_says_about_the_same() -> None:
    points = clouds(60, 600, shift=0.5)
    how = Recipe(1e-3, 64, 5)
    here, there = (discriminate(points, 60, how, seed=0, device=name).unlabelled for name in ("cpu", "cuda"))
    assert there == pytest.approx(here, abs=1e-2)


def test_the_limits_are_what_the_notes_say() -> None:
    assert (discriminator.VISITS, discriminator.FEWEST) == (1_000_000, 10)
