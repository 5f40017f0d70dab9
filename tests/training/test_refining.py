"""Refined pseudo-labels: the golden values of algorithms.md A.17, and that labels by people stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from alcli.training import refining
from alcli.training.inputs import Examples, Features
from alcli.training.loop import Batch
from alcli.training.refining import Manner, Refiner, evenness, indecision, normalised_entropy

GOLDEN = [[0.5, 0.4, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.2, 0.75, 0.05]]
PSEUDO = np.array([False, True, False, True])
CODES = np.array([0, 2, 1, 2])


def refiner(mode: str, *, past: int = 4, warm_up: int = 0, **manner: Any) -> Refiner:
    """Return a refiner of images 1 and 3, which were predicted as in the golden history."""
    made = Refiner(mode, Manner(**manner), CODES, PSEUDO, classes=3, warm_up=warm_up)
    for row in GOLDEN[:past]:
        made.history.add([torch.tensor([row, row])])
    return made


def batch(*positions: int, epoch: int = 9) -> Batch:
    codes = torch.from_numpy(CODES[list(positions)])
    inputs = torch.zeros(len(positions), 1)
    return Batch(inputs, codes, np.array(positions), epoch, np.random.default_rng(0))


def test_golden_entropy_of_votes() -> None:
    votes = torch.tensor([[0.25, 0.75, 0.0], [0.0, 1.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    assert normalised_entropy(votes).tolist() == pytest.approx([0.511860, 0, 1], abs=1e-6)
    assert normalised_entropy(torch.ones(2, 1)).tolist() == [0, 0]


def test_golden_regularisers() -> None:
    logs = torch.tensor([[0.7, 0.3], [0.9, 0.1]], dtype=torch.float64).log()
    assert evenness(logs).item() == pytest.approx(0.916291, abs=1e-6)
    assert indecision(logs).item() == pytest.approx(0.467974, abs=1e-6)


def test_the_regularisers_weigh_as_asked_and_wait_for_the_warm_up() -> None:
    logits = torch.tensor([[0.7, 0.3], [0.9, 0.1]]).log()
    made = refiner("mean", warm_up=2)
    assert made.pressure(logits, 2).item() == 0
    assert made.pressure(logits, 3).item() == pytest.approx(0.8 * 0.916291 + 0.4 * 0.467974, abs=1e-6)
    assert refiner("mean", r_a=0, r_h=0).pressure(logits, 3).item() == 0


def test_gradients_of_the_regularisers() -> None:
    logits = torch.randn(
        4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True
    )
    for function in (evenness, indecision):
        assert torch.autograd.gradcheck(
            lambda z, f=function: f(torch.nn.functional.log_softmax(z, dim=1)), (logits,)
        )


def test_huge_logits_are_no_nan() -> None:
    logits = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    value = refiner("mean").pressure(logits, 9)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    ("mode", "manner", "expected"),
    [
        ("mean", {}, [0.3, 0.6125, 0.0875]),
        ("last", {}, [0.2, 0.75, 0.05]),
        ("vote", {}, [0, 0, 1]),  # votes differ too much: the label stays
        ("vote", {"epsilon": 0.6}, [0, 1, 0]),
    ],
)
def test_golden_targets(mode: str, manner: dict[str, float], expected: list[float]) -> None:
    targets = refiner(mode, **manner).targets(batch(0, 1, 2))
    assert targets[1].tolist() == pytest.approx(expected, abs=3e-4)
    assert targets[[0, 2]].tolist() == [[1, 0, 0], [0, 1, 0]]  # people's labels


def test_during_the_warm_up_and_before_anything_was_predicted_labels_are_as_given() -> None:
    assert refiner("mean", warm_up=9).targets(batch(1, 3)).tolist() == [2, 2]
    assert refiner("mean", past=0).targets(batch(1, 3)).tolist() == [2, 2]
    assert refiner("mean").targets(batch(0, 2)).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("mode", "epsilon", "label", "confidence"),
    [
        ("mean", 0.05, 1, 0.6125),
        ("last", 0.05, 1, 0.75),
        ("vote", 0.05, 2, 0.0),
        ("vote", 0.6, 1, 0.75),
    ],
)
def test_what_labels_are_in_the_end(mode: str, epsilon: float, label: int, confidence: float) -> None:
    labels, sure = refiner(mode, epsilon=epsilon).refined()
    assert labels.tolist() == [label, label]
    assert sure.tolist() == pytest.approx([confidence] * 2, abs=3e-4)


def test_without_an_epoch_labels_stay() -> None:
    labels, sure = refiner("mean", past=0).refined()
    assert (labels.tolist(), sure.tolist()) == ([2, 2], [1, 1])


@pytest.mark.parametrize("mode", ["mean", "last", "vote"])
def test_blocks_of_images_change_nothing(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(0)
    codes, inputs = np.arange(7) % 3, torch.randn(7, 3, generator=rng)
    found = []
    for size in (2, 100):
        monkeypatch.setattr(refining, "HELD_AT_ONCE", size)
        made = Refiner(mode, Manner(epsilon=0.9), codes, codes > 0, classes=3, warm_up=0)
        for turn in range(3):
            made.remember(lambda values, t=turn: values * (1 - t), Examples(Features(inputs), codes))
        found.append(
            (*(part.tolist() for part in made.refined()), made.history.state_dict()["values"].tolist())
        )
    assert found[0] == found[1]


def test_the_newest_prediction_needs_no_others() -> None:
    assert refiner("last", history=10).history.values.shape[1] == 1
    assert refiner("mean", history=10).history.values.shape[1] == 10


def test_it_looks_at_pseudo_labelled_images_alone() -> None:
    made = refiner("last", past=0)
    inputs = torch.tensor([[9.0, 0, 0], [0, 0, 0], [9, 0, 0], [0, 50, 0]])
    made.remember(lambda values: values, Examples(Features(inputs), CODES))
    assert made.targets(batch(1, 3))[1].tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    assert made.targets(batch(1, 3))[0].tolist() == pytest.approx([1 / 3] * 3, abs=1e-3)
