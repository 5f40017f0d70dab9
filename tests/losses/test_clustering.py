"""The clustering loss and its target: values computed by hand elsewhere, and the published gradient."""

from __future__ import annotations

import pytest
import torch
from alcli.losses.clustering import clustering, target
from alcli.networks.clustering import ClusteringLayer
from torch import Tensor

POINTS = [[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]
CENTRES = [[0.0, 0.0], [3.0, 0.0]]


def doubles(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def layer(centres: Tensor) -> ClusteringLayer:
    made = ClusteringLayer(centres.shape[1], len(centres)).double()
    made.centres.data.copy_(centres)
    return made


def test_assignment_target_and_divergence() -> None:
    logits = layer(doubles(CENTRES))(doubles(POINTS)).detach()
    q = logits.softmax(dim=1)
    expected_q = doubles([[0.909091, 0.090909], [0.714286, 0.285714], [0.090909, 0.909091]])
    assert torch.allclose(q, expected_q, atol=5e-7)
    masses = q.sum(dim=0)
    assert torch.allclose(masses, doubles([1.714286, 1.285714]), atol=5e-7)
    p = target(q, masses)
    expected_p = doubles([[0.986842, 0.013158], [0.824176, 0.175824], [0.007444, 0.992556]])
    assert torch.allclose(p, expected_p, atol=5e-7)
    rows = [float(clustering(logits[row : row + 1], p[row : row + 1])) for row in range(3)]
    assert rows == pytest.approx([0.055553, 0.032576, 0.068556], abs=5e-7)
    assert float(clustering(logits, p)) == pytest.approx(0.156685 / 3, abs=5e-7)


def test_the_gradient_is_the_published_one() -> None:
    points = doubles(POINTS).requires_grad_()
    clusters = layer(doubles(CENTRES))
    logits = clusters(points)
    q = logits.softmax(dim=1).detach()
    p = target(q, q.sum(dim=0))
    (3 * clustering(logits, p)).backward()
    assert points.grad is not None
    assert points.grad[:, 0].tolist() == pytest.approx([0.046651, 0.197802, -0.050079], abs=5e-7)


def test_the_gradient_in_many_dimensions() -> None:
    """Against 2/b · Σ_j (1 + d²)⁻¹ (p_j - q_j)(z - μ_j), and its negative sum over images for the centres."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(7, 4, dtype=torch.float64, generator=generator).requires_grad_()
    clusters = layer(torch.randn(3, 4, dtype=torch.float64, generator=generator))
    p = torch.rand(7, 3, dtype=torch.float64, generator=generator).softmax(dim=1)
    logits = clusters(points)
    clustering(logits, p).backward()
    differences = points.detach()[:, None] - clusters.centres.detach()[None]  # (7, 3, 4)
    kernel = 1 / (1 + differences.square().sum(dim=2))
    pulls = (2 / 7) * (kernel * (p - logits.detach().softmax(dim=1)))[:, :, None] * differences
    assert points.grad is not None
    assert clusters.centres.grad is not None
    assert torch.allclose(points.grad, pulls.sum(dim=1), atol=1e-12)
    assert torch.allclose(clusters.centres.grad, -pulls.sum(dim=0), atol=1e-12)


def test_gradcheck() -> None:
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(5, 3, dtype=torch.float64, generator=generator).requires_grad_()
    clusters = layer(torch.randn(4, 3, dtype=torch.float64, generator=generator))
    p = torch.rand(5, 4, dtype=torch.float64, generator=generator).softmax(dim=1)
    assert torch.autograd.gradcheck(lambda z: clustering(clusters(z), p), (points,))


def test_a_dead_cluster_does_no_harm() -> None:
    q = doubles([[1.0, 0.0], [1.0, 0.0]])
    assert target(q, q.sum(dim=0)).tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_images_far_from_every_centre_stay_finite() -> None:
    points = doubles([[1e12, 0.0], [0.0, -1e12]]).requires_grad_()
    logits = layer(doubles(CENTRES))(points)
    q = logits.softmax(dim=1).detach()
    clustering(logits, target(q, q.sum(dim=0))).backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()
