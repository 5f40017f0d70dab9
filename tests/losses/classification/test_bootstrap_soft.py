"""Soft bootstrapping: the golden values of algorithms.md A.14."""

from __future__ import annotations

import pytest
import torch
from alcli.losses.classification.bootstrap_soft import bootstrap_soft

LOGITS = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64).log()
TARGETS = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)


def test_golden_value() -> None:
    assert bootstrap_soft(LOGITS, TARGETS).item() == pytest.approx(1.569057, abs=1e-6)


def test_golden_gradient_goes_through_the_target() -> None:
    logits = LOGITS.clone().requires_grad_()
    bootstrap_soft(logits, TARGETS).sum().backward()
    assert logits.grad.flatten().tolist() == pytest.approx([0.649420, -0.751924, 0.102504], abs=1e-6)


def test_with_no_belief_in_labels_it_is_the_entropy() -> None:
    assert bootstrap_soft(LOGITS, TARGETS, beta=0.0).item() == pytest.approx(0.801819, abs=1e-6)
