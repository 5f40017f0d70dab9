"""Expected gradient length: the closed form against gradients of the last layer."""

from __future__ import annotations

import alcli
import numpy as np
import pytest
import torch
from torch.nn import functional as F

# algorithms.md A.2
P, H = np.array([[0.7, 0.2, 0.1]]), np.array([[1.0, 2.0]])


def score(p: np.ndarray, h: np.ndarray, **options: object) -> np.ndarray:
    found = alcli.rank("egl", k=len(p), probabilities=p, embeddings=h, **options)
    scores = np.empty(len(p))
    scores[found.rows] = found.scores
    return scores


def test_golden_values() -> None:
    assert score(P, H) == pytest.approx([1.321999], abs=1e-6)
    assert score(P, H, bias=True) == pytest.approx([1.448177], abs=1e-6)


@pytest.mark.parametrize(("n", "d", "c"), [(20, 3, 2), (15, 7, 5), (5, 40, 30)])
@pytest.mark.parametrize("bias", [False, True])
def test_equals_explicit_gradients(n: int, d: int, c: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(n)
    h = torch.randn(n, d, dtype=torch.float64, generator=generator)
    weights = torch.randn(c, d, dtype=torch.float64, generator=generator, requires_grad=True)
    shift = torch.randn(c, dtype=torch.float64, generator=generator, requires_grad=True)
    expected = []
    for row in h:
        p = (weights @ row + shift).softmax(dim=0).detach()
        total = 0.0
        for y in range(c):
            loss = F.cross_entropy((weights @ row + shift)[None], torch.tensor([y]))
            gradients = torch.autograd.grad(loss, [weights, shift] if bias else [weights])
            total += float(p[y]) * float(sum(g.square().sum() for g in gradients)) ** 0.5
        expected.append(total)
    probabilities = (h @ weights.T + shift).softmax(dim=1).detach().numpy()
    assert score(probabilities, h.numpy(), bias=bias) == pytest.approx(expected, abs=1e-9)


def test_certain_images_and_zero_embeddings_score_0() -> None:
    p = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    assert score(p, np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [0, 0]


def test_digits_are_kept_where_the_model_is_nearly_certain() -> None:
    """‖p - e_1‖ = √(Σp² + 1 - 2 p_1) would be the root of a difference of ones."""
    rest = 1e-6
    p = np.array([[1 - 2 * rest, rest, rest]])
    own = np.sqrt(4 * rest**2 + 2 * rest**2)
    other = np.sqrt((1 - 2 * rest) ** 2 + (1 - rest) ** 2 + rest**2)
    expected = (1 - 2 * rest) * own + 2 * rest * other
    assert score(p, np.array([[1.0]])) == pytest.approx([expected], rel=1e-4)


def test_the_surest_image_comes_last() -> None:
    """DFAL's code, ‖p - 1/c‖, puts it first; the mean over a chunk of DAL's does not tell them apart."""
    p = np.array([[0.98, 0.01, 0.01], [0.34, 0.33, 0.33]])
    found = score(p, np.ones((2, 1)))
    assert found == pytest.approx([0.0519, 0.8164], abs=1e-4)


def test_an_image_does_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(0)
    p, h = rng.dirichlet(np.ones(4), 150), rng.normal(size=(150, 8))
    alone = np.array([score(p[i : i + 1], h[i : i + 1])[0] for i in range(150)])
    assert (score(p, h) == alone).all()


def test_scope_network_reads_its_own_signal() -> None:
    found = alcli.rank("egl", k=2, scope="network", gradient_lengths=np.array([1.0, 3.0, 2.0]))
    assert found.rows.tolist() == [1, 2]
    assert found.scores.tolist() == [3, 2]
