"""Expected gradient length over a whole network, against one gradient at a time."""

from __future__ import annotations

import alcli
import numpy as np
import pytest
import torch
from alcli import networks
from alcli.networks.gradient_lengths import expected_lengths, gradient_lengths
from torch import Tensor, nn


def model(*, classes: int = 6, frozen: bool = False, seed: int = 1) -> networks.Model:
    plan = networks.Blueprint(
        "lenet", classes, 1, 28, embedding="none" if not frozen else "triplet", dropout=0.5, frozen=frozen
    )
    return networks.build(plan, seed=seed)


def pictures(count: int) -> Tensor:
    return torch.randn(count, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def one_by_one(network: nn.Module, image: Tensor, *, temperature: float, classes: int) -> float:
    """Σ p_y ‖∇ T · cross-entropy at temperature T‖, by one backward pass for each class."""
    with torch.no_grad():
        p = (network(image[None])[0][0] / temperature).softmax(dim=0)
    likely = p.argsort(descending=True)[:classes].tolist()
    total = 0.0
    for y in likely:
        network.zero_grad()
        scaled = network(image[None])[0] / temperature
        (temperature * nn.functional.cross_entropy(scaled, torch.tensor([y]))).backward()
        square = sum(float(value.grad.double().square().sum()) for value in network.parameters())
        total += float(p[y]) * np.sqrt(square)
    network.zero_grad()
    return total / float(p[likely].sum())


@pytest.mark.parametrize(("classes", "temperature"), [(6, 1.0), (5, 1.7), (2, 0.5)])
def test_equals_one_gradient_at_a_time(classes: int, temperature: float) -> None:
    network, images = model(), pictures(5)
    found = gradient_lengths(network, images, temperature=temperature, classes=classes)
    naive = [
        one_by_one(network.classifier, image, temperature=temperature, classes=classes) for image in images
    ]
    assert found.dtype == torch.float64
    assert found.numpy() == pytest.approx(naive, rel=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_of_a_linear_layer_it_is_the_closed_form(temperature: float) -> None:
    """The strategy `egl` computes the same from saved signals."""
    torch.manual_seed(0)
    layer, points = nn.Linear(7, 4), torch.randn(20, 7)
    found = expected_lengths(layer, points, temperature=temperature, classes=4)
    with torch.no_grad():
        p = (layer(points) / temperature).softmax(dim=1).numpy()
    closed = alcli.rank("egl", k=20, probabilities=p, embeddings=points.numpy(), bias=True)
    assert found.numpy()[closed.rows] == pytest.approx(closed.scores, rel=1e-5)


def test_of_a_frozen_backbone_only_the_head_counts() -> None:
    network, images = model(frozen=True), pictures(6)
    with torch.no_grad():
        logits, embeddings, _ = network(images)
    p = logits.softmax(dim=1).numpy()
    closed = alcli.rank("egl", k=6, probabilities=p, embeddings=embeddings.numpy(), bias=True)
    found = gradient_lengths(network, images, classes=6).numpy()
    assert found[closed.rows] == pytest.approx(closed.scores, rel=1e-4)


def test_the_network_is_left_as_it_was() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(2704, 3),
    ).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = pictures(4)
    once, again = (expected_lengths(network, images, temperature=1.0, classes=3) for _ in range(2))
    assert torch.equal(once, again)  # dropout is off
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


def test_what_comes_in_one_batch_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = model(), pictures(6)
    whole = gradient_lengths(network, images)
    monkeypatch.setattr("alcli.networks.gradient_lengths._GRADIENT_VALUES", 1)
    assert gradient_lengths(network, images).numpy() == pytest.approx(whole.numpy(), rel=1e-5)


def test_one_class_has_no_gradient() -> None:
    assert gradient_lengths(model(classes=1), pictures(2)).tolist() == [0, 0]
