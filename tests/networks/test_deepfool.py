"""DeepFool in batches: exact on linear models, and one image at a time says the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from alcli import networks
from alcli.errors import UsageError
from alcli.networks import deepfool
from alcli.networks.deepfool import NEVER, adversarial_distances
from torch import Tensor, nn

WEIGHTS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])


def golden(points: Tensor) -> Tensor:
    """The linear model of algorithms.md A.3."""
    return points @ WEIGHTS.T


def lenet(classes: int = 6) -> nn.Module:
    plan = networks.Blueprint("lenet", classes, 1, 28, embedding="none", dropout=0.5)
    return networks.build(plan, seed=3).classifier


def pictures(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def one_by_one(model: nn.Module, image: Tensor, *, steps: int = 10) -> float:
    """DeepFool of A.3 for one image, with a full Jacobian; NaN where the class never changes."""

    def logits(x: Tensor) -> Tensor:
        return model(x[None])[0][0]

    predicted = int(logits(image).argmax())
    x = image.clone()
    for _ in range(steps):
        f, jacobian = logits(x).detach(), torch.autograd.functional.jacobian(logits, x)
        ratios = []
        for k in range(len(f)):
            w = jacobian[k] - jacobian[predicted]
            ratios.append(np.inf if k == predicted else float(abs(f[k] - f[predicted]) / w.norm()))
        nearest = int(np.argmin(ratios))
        w = jacobian[nearest] - jacobian[predicted]
        x = x + abs(f[nearest] - f[predicted]) / w.norm() ** 2 * w
        f = logits(x).detach()
        others = torch.cat([f[:predicted], f[predicted + 1 :]])
        if others.max() >= f[predicted] - 1e-5 * f.abs().max():
            return float((x - image).norm())
    return float("nan")


def test_golden() -> None:
    """The nearest class counts, not the last one tried (pitfalls.md 1.15): that would be 5/√5 = 2.236068."""
    assert adversarial_distances(golden, torch.tensor([[2.0, 1.0]])).item() == pytest.approx(
        0.707107, abs=1e-6
    )


@pytest.mark.parametrize(("d", "c"), [(2, 2), (5, 3), (20, 8)])
def test_a_linear_model_gives_the_exact_distance(d: int, c: int) -> None:
    rng = np.random.default_rng(c)
    weights, bias, points = rng.normal(size=(c, d)), rng.normal(size=c), rng.normal(size=(50, d))
    values = points @ weights.T + bias
    exact = []
    for f in values:
        own = f.argmax()
        exact.append(
            min((f[own] - f[k]) / np.linalg.norm(weights[k] - weights[own]) for k in range(c) if k != own)
        )
    w, b = torch.from_numpy(weights).float(), torch.from_numpy(bias).float()
    found = adversarial_distances(lambda x: x @ w.T + b, torch.from_numpy(points).float())
    assert found.numpy() == pytest.approx(exact, rel=1e-4, abs=1e-6)


def test_a_batch_says_what_one_image_at_a_time_says() -> None:
    model, images = lenet(), pictures(12)
    found = adversarial_distances(lambda x: model(x)[0], images)
    naive = [one_by_one(model, image) for image in images]
    assert not np.isnan(naive).any()
    assert found.numpy() == pytest.approx(naive, rel=1e-3)


def test_the_network_is_left_as_it_was() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(2704, 3)
    )
    model.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = pictures(5)
    kept = images.clone()
    found = adversarial_distances(model, images)
    assert torch.equal(found, adversarial_distances(model, images))  # no dropout
    assert torch.equal(images, kept)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def ring(points: Tensor) -> Tensor:
    """Class 1 is nowhere: its logit falls short by at least 1, and steps towards it lead on for ever."""
    gap = 1 + (points[:, 0] - 3).square() + points[:, 1:].square().sum(dim=1)
    return torch.stack([gap, torch.zeros_like(gap)], dim=1)


def test_those_that_never_change_come_last_and_the_nearest_of_them_first() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.5, 1.0]])
    found = adversarial_distances(ring, points, steps=3)
    first = []
    for x, y in points.tolist():
        gap = 1 + (x - 3) ** 2 + y**2
        first.append(gap / np.hypot(2 * (x - 3), 2 * y))
    assert (found - NEVER).numpy() == pytest.approx(first, rel=1e-5)


def test_flat_networks_are_finite_and_last() -> None:
    points = torch.tensor([[1.0], [2.0]])
    found = adversarial_distances(lambda x: torch.cat([x * 0 + 1, x * 0], dim=1), points)
    assert found.tolist() == [2 * NEVER, 2 * NEVER]


def test_an_image_between_two_classes_is_at_distance_0() -> None:
    assert adversarial_distances(golden, torch.tensor([[1.0, 1.0], [0.0, 0.0]])).tolist() == [0, 0]


def test_ties_go_to_the_lowest_class() -> None:
    """Classes 1 and 2 are equally near, in opposite directions; the walk starts towards class 1."""
    seen: list[Tensor] = []

    def logits(x: Tensor) -> Tensor:
        seen.append(x.detach().clone())
        zero = torch.zeros_like(x[:, 0])
        return torch.stack([zero + 1, x[:, 0], -x[:, 0]], dim=1)

    assert adversarial_distances(logits, torch.zeros(1, 2)).item() == pytest.approx(1)
    assert seen[-1][0, 0].item() == pytest.approx(1)


def test_only_the_likeliest_classes_are_tried() -> None:
    """Class 2 is the nearest boundary, but of the lowest logit: among two candidates it is not tried."""

    def logits(x: Tensor) -> Tensor:
        zero = torch.zeros_like(x[:, 0])
        return torch.stack([zero + 2, 1 + x[:, 0] / 10, 10 * x[:, 1]], dim=1)

    point = torch.zeros(1, 2)
    assert adversarial_distances(logits, point).item() == pytest.approx(0.2)
    assert adversarial_distances(logits, point, classes=2).item() == pytest.approx(10)


def test_an_image_that_changed_leaves_the_batch() -> None:
    """Two of three points reach a boundary of the linear model in one step; the third has none to reach."""
    seen: list[int] = []

    def logits(x: Tensor) -> Tensor:
        seen.append(len(x))
        linear = torch.stack([torch.zeros_like(x[:, 0]), x[:, 0]], dim=1)
        return torch.where(x[:, 2:] > 0, ring(x[:, :2]), linear)

    found = adversarial_distances(logits, torch.tensor([[2.0, 0, 0], [0, 0, 1], [-3, 0, 0]]), steps=3)
    assert found[[0, 2]].numpy() == pytest.approx([2, 3])
    assert found[1] > NEVER
    assert seen == [3, 3, 3, 1, 1, 1, 1]  # at first; then for each step the gradients, and where it led


def test_nan_is_not_hidden() -> None:
    found = adversarial_distances(golden, torch.tensor([[float("nan"), 1.0], [2.0, 1.0]]))
    assert found.isnan().tolist() == [True, False]


def test_one_class_is_refused() -> None:
    with pytest.raises(UsageError, match="two classes"):
        adversarial_distances(lambda x: x[:, :1], torch.zeros(2, 3))


def test_ten_classes_and_ten_steps_are_published() -> None:
    assert (deepfool.CLASSES, deepfool.STEPS) == (10, 10)
