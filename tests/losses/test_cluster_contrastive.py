"""The cluster-contrastive loss: hand-computed values, a naive twin, gradients, and batches with little in them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from alcli.losses.cluster_contrastive import FORMS, SIMILARITIES, cluster_contrastive
from torch import Tensor

POINTS = torch.tensor([[0.8, 0.6], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
CENTRES = torch.eye(2, dtype=torch.float64)
CODES = torch.tensor([0, 0, 1])


def drawn(rows: int, *, seed: int = 0, width: int = 3, classes: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(rows, width, dtype=torch.float64, generator=generator).requires_grad_()
    centres = torch.randn(classes, width, dtype=torch.float64, generator=generator).requires_grad_()
    return points, torch.randint(0, classes - 1, (rows,), generator=generator), centres


def naive(points: Tensor, codes: Tensor, centres: Tensor, form: str, similarity: str, tau: float) -> float:
    """The sums as they are written, one image and one class after the other."""
    z, mu, y = points.detach().numpy(), centres.detach().numpy(), codes.tolist()

    def s(i: int, c: int) -> float:
        if similarity == "negsq":
            return float(-((z[i] - mu[c]) ** 2).sum())
        product = float(z[i] @ mu[c])
        return (
            product / float(np.linalg.norm(z[i]) * np.linalg.norm(mu[c])) if similarity == "cos" else product
        )

    total = 0.0
    for c in range(len(mu)):
        own, others = ([i for i in range(len(z)) if (y[i] == c) == mine] for mine in (True, False))
        if not own or (form != "C" and not others):
            continue
        for i in own:
            positive = math.exp(s(i, c) / tau)
            faced = sum(math.exp(s(j, c) / tau) for j in others)
            below = {
                "A": faced,
                "B": faced + positive,
                "C": sum(math.exp(s(i, k) / tau) for k in range(len(mu))),
            }
            total -= math.log(positive / below[form]) / len(own)
    return total


@pytest.mark.parametrize(("form", "value"), [("A", -2.336718), ("B", 0.615787), ("C", 0.446900)])
def test_hand_computed_values(form: str, value: float) -> None:
    loss = cluster_contrastive(POINTS, CODES, CENTRES, form=form, temperature=0.5)
    assert float(loss) == pytest.approx(value, abs=5e-7)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("form", FORMS)
def test_as_a_naive_twin(form: str, similarity: str) -> None:
    for seed in range(5):
        points, codes, centres = drawn(9, seed=seed)
        loss = cluster_contrastive(points, codes, centres, form=form, similarity=similarity, temperature=0.7)
        assert float(loss.detach()) == pytest.approx(
            naive(points, codes, centres, form, similarity, 0.7), abs=1e-12
        )


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("form", FORMS)
def test_gradcheck(form: str, similarity: str) -> None:
    points, codes, centres = drawn(6)

    def loss(z: Tensor, mu: Tensor) -> Tensor:
        return cluster_contrastive(z, codes, mu, form=form, similarity=similarity, temperature=0.5)

    assert torch.autograd.gradcheck(loss, (points, centres))


@pytest.mark.parametrize("form", FORMS)
def test_the_gradient_of_dot_products(form: str) -> None:
    """∂/∂s is a softmax less the positive, over the images faced at a centre (A, B) or over the centres (C)."""
    tau = 0.5
    points, codes, centres = drawn(7, seed=3)
    cluster_contrastive(points, codes, centres, form=form, similarity="dot", temperature=tau).backward()
    z, mu, y = points.detach().numpy(), centres.detach().numpy(), codes.numpy()
    scaled = np.exp(z @ mu.T / tau)  # (b, c)
    slopes = np.zeros_like(scaled)
    for i, c in enumerate(y):
        weight = 1 / (y == c).sum() / tau
        if form == "C":
            slopes[i] += weight * scaled[i] / scaled[i].sum()
        else:
            among = (y != c) | ((np.arange(len(y)) == i) & (form == "B"))
            slopes[among, c] += weight * scaled[among, c] / scaled[among, c].sum()
        slopes[i, c] -= weight
    assert points.grad is not None
    assert centres.grad is not None
    assert points.grad.numpy() == pytest.approx(slopes @ mu, abs=1e-10)
    assert centres.grad.numpy() == pytest.approx(slopes.T @ z, abs=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_no_labelled_image_costs_nothing(form: str) -> None:
    points, codes, centres = drawn(4)
    loss = cluster_contrastive(points[:0], codes[:0], centres, form=form)
    loss.backward()
    assert float(loss.detach()) == 0


@pytest.mark.parametrize("form", ["A", "B"])
def test_images_of_one_class_have_nothing_to_be_pushed_from(form: str) -> None:
    points, _, centres = drawn(4)
    loss = cluster_contrastive(points, torch.ones(4, dtype=torch.int64), centres, form=form)
    loss.backward()
    assert float(loss.detach()) == 0
    assert points.grad is not None
    assert points.grad.abs().max() == 0


def test_extreme_similarities_stay_finite() -> None:
    points, codes, centres = drawn(6)
    for form in FORMS:
        loss = cluster_contrastive(
            points * 1e4, codes, centres, form=form, similarity="negsq", temperature=1e-3
        )
        assert torch.isfinite(loss)
