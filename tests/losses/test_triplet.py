"""FaceNet's loss: golden values worked by hand, and a naive twin with three loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from alcli.losses.triplet import triplet
from torch import Tensor


def with_cosines(a_p: float, to_n: float) -> Tensor:
    """Return unit vectors a, p, n with cos(a, p) = a_p and cos(a, n) = cos(p, n) = to_n."""
    gram = np.array([[1, a_p, to_n], [a_p, 1, to_n], [to_n, to_n, 1]])
    return torch.from_numpy(np.linalg.cholesky(gram))


@pytest.mark.parametrize(
    ("to_n", "expected"),
    [
        (0.0, 0.0),  # d_an = 2: easy
        (0.75, 0.1),  # d_ap = .4 < d_an = .5 < .6: semi-hard
        (0.9, 0.4),  # d_an = .2 < d_ap: hard, and no other negative
    ],
)
def test_golden_triplets_on_the_unit_sphere(to_n: float, expected: float) -> None:
    embeddings = with_cosines(0.8, to_n)  # d_ap = 2 - 2 · .8 = .4
    loss = triplet(embeddings, torch.tensor([0, 0, 1]), margin=0.2)
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def naive(embeddings: np.ndarray, targets: np.ndarray, margin: float) -> float:
    """Mine with loops: the nearest negative beyond the positive, else the farthest negative."""
    losses = []
    for a in range(len(targets)):
        for p in range(len(targets)):
            negatives = [n for n in range(len(targets)) if targets[n] != targets[a]]
            if a == p or targets[a] != targets[p] or not negatives:
                continue
            d_ap = ((embeddings[a] - embeddings[p]) ** 2).sum()
            d_an = [((embeddings[a] - embeddings[n]) ** 2).sum() for n in negatives]
            farther = [d for d in d_an if d > d_ap]
            losses.append(max(0.0, d_ap - (min(farther) if farther else max(d_an)) + margin))
    return float(np.mean(losses)) if losses else 0.0


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_its_naive_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(17, 3))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    targets = rng.integers(0, 2 + seed % 4, 17)
    loss = triplet(torch.from_numpy(embeddings).float(), torch.from_numpy(targets), margin=0.2 + 0.1 * seed)
    assert float(loss) == pytest.approx(naive(embeddings, targets, 0.2 + 0.1 * seed), abs=1e-5)


@pytest.mark.parametrize("targets", [[0, 1, 2], [0, 0, 0], [0]])
def test_no_pair_or_no_negative_is_zero_with_zero_gradient(targets: list[int]) -> None:
    embeddings = torch.eye(3)[: len(targets)].clone().requires_grad_()
    loss = triplet(embeddings, torch.tensor(targets))
    loss.backward()
    assert float(loss.detach()) == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


def test_the_gradient_is_finite_and_pulls_the_positive_nearer() -> None:
    start = with_cosines(0.8, 0.75).float().requires_grad_()
    triplet(start, torch.tensor([0, 0, 1])).backward()
    assert start.grad is not None
    assert torch.isfinite(start.grad).all()
    moved = torch.nn.functional.normalize(start.detach() - 0.1 * start.grad, dim=1)
    assert float(moved[0] @ moved[1]) > 0.8


def test_identical_images_do_not_disturb_it() -> None:
    embeddings = torch.ones(4, 2) / 2**0.5
    assert float(triplet(embeddings, torch.tensor([0, 0, 1, 1]))) == pytest.approx(0.2, abs=1e-6)
