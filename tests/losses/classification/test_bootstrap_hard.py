"""Hard bootstrapping: the golden value of algorithms.md A.14, and its gradient by hand."""

from __future__ import annotations

import pytest
import torch
from alcli.losses.classification.bootstrap_hard import bootstrap_hard

LOGITS = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64).log()
TARGETS = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)


def test_golden_value() -> None:
    assert bootstrap_hard(LOGITS, TARGETS).item() == pytest.approx(1.358885, abs=1e-6)


def test_the_gradient_takes_the_predicted_class_for_a_constant() -> None:
    logits = LOGITS.clone().requires_grad_()
    bootstrap_hard(logits, TARGETS).sum().backward()
    believed = torch.tensor([0.2, 0.8, 0.0], dtype=torch.float64)  # 0.8 of the label, 0.2 of the likeliest
    expected = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64) - believed
    assert logits.grad.flatten().tolist() == pytest.approx(expected.tolist(), abs=1e-9)


def test_of_equally_likely_classes_the_first_is_taken() -> None:
    value = bootstrap_hard(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]), beta=0.5)
    assert value.item() == pytest.approx(0.693147, abs=1e-6)
