"""What is remembered of past predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from alcli.training.history import History
from torch import Tensor

GOLDEN = [[0.5, 0.4, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.2, 0.75, 0.05]]
FIRST = np.array([0])


def remembered(rows: list[list[float]], length: int = 10) -> History:
    history = History(1, len(rows[0]), length)
    for row in rows:
        history.add([torch.tensor([row])])
    return history


def test_golden_mean_votes_and_last() -> None:
    """algorithms.md A.17."""
    history = remembered(GOLDEN)
    assert history.mean(FIRST)[0].tolist() == pytest.approx([0.3, 0.6125, 0.0875], abs=2e-4)
    assert history.votes(FIRST)[0].tolist() == [0.25, 0.75, 0]
    assert history.last(FIRST)[0].tolist() == pytest.approx(GOLDEN[3], abs=2e-4)


def test_only_the_last_q_epochs_count() -> None:
    history = remembered([[0.0, 0.0, 1.0]] * 3 + GOLDEN, length=4)
    assert len(history) == 4
    assert history.mean(FIRST)[0].tolist() == pytest.approx([0.3, 0.6125, 0.0875], abs=2e-4)
    assert history.last(FIRST)[0].tolist() == pytest.approx(GOLDEN[3], abs=2e-4)


def test_rows_are_asked_for_in_any_order() -> None:
    history = History(3, 2, 5)
    history.add([torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]])])
    assert history.mean(np.array([2, 0])).tolist() == [[0.25, 0.75], [1, 0]]


def many(classes: int) -> Tensor:
    return torch.softmax(4 * torch.randn(5, classes, generator=torch.Generator().manual_seed(0)), dim=1)


def test_of_many_classes_the_eight_likeliest_are_kept_and_the_rest_is_even() -> None:
    probabilities = many(40)
    history = History(5, 40, 3)
    history.add([probabilities])
    found = history.last(np.arange(5))
    assert history.values.shape == (5, 3, 8)
    for row in range(5):
        likeliest = probabilities[row].argsort(descending=True)[:8]
        assert found[row, likeliest].tolist() == pytest.approx(
            probabilities[row, likeliest].tolist(), abs=1e-3
        )
        others = np.setdiff1d(np.arange(40), likeliest.numpy())
        left = 1 - probabilities[row, likeliest].sum().item()
        assert found[row, others].tolist() == pytest.approx([left / 32] * 32, abs=1e-3)
    assert torch.allclose(found.sum(dim=1), torch.ones(5))
    assert history.votes(np.arange(5)).argmax(dim=1).tolist() == probabilities.argmax(dim=1).tolist()


def test_blocks_are_remembered_as_one() -> None:
    probabilities = many(40)
    whole, parts = History(5, 40, 3), History(5, 40, 3)
    for _ in range(2):
        whole.add([probabilities])
        parts.add(iter(probabilities.split(2)))
    assert len(whole) == len(parts) == 2
    assert all(torch.equal(one, parts.state_dict()[name]) for name, one in whole.state_dict().items())


def test_what_is_rounded_to_more_than_one_leaves_nothing_and_not_less() -> None:
    """In half precision these eight sum to 1.00024: four are rounded up to 0.12512, four to 0.12494."""
    history = History(1, 20, 1)
    history.add([torch.tensor([[0.12507324] * 4 + [0.12492065] * 4 + [1e-9] * 12])])
    assert history.values.double().sum() > 1
    found = history.last(FIRST)[0]
    assert found.tolist() == pytest.approx([0.12503] * 4 + [0.12485] * 4 + [0.0] * 12, abs=7e-5)
    assert found.min() == 0


def test_up_to_sixteen_classes_all_are_kept() -> None:
    probabilities = many(16)
    history = History(5, 16, 3)
    history.add([probabilities])
    assert torch.allclose(history.last(np.arange(5)), probabilities, atol=1e-3)


def test_it_comes_back_from_a_checkpoint() -> None:
    history, other = remembered(GOLDEN), History(1, 3, 10)
    other.load_state_dict(history.state_dict())
    assert len(other) == 4
    assert torch.equal(other.mean(FIRST), history.mean(FIRST))


@pytest.mark.parametrize("classes", [1, 2])
def test_few_classes(classes: int) -> None:
    history = remembered([[1.0] + [0.0] * (classes - 1)])
    assert history.mean(FIRST).tolist() == [[1.0] + [0.0] * (classes - 1)]
