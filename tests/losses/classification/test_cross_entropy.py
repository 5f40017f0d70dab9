"""Cross-entropy: by hand, and torch's own."""

from __future__ import annotations

import pytest
import torch
from alcli.losses.classification.cross_entropy import cross_entropy
from torch.nn import functional as F


def test_golden() -> None:
    """algorithms.md A.14: -ln 0.2."""
    logits = torch.tensor([[0.7, 0.2, 0.1]]).log()
    assert cross_entropy(logits, torch.tensor([[0.0, 1.0, 0.0]])).item() == pytest.approx(1.609438, abs=1e-6)


def test_soft_targets_are_torch_s() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 5, generator=generator)
    targets = torch.softmax(torch.randn(7, 5, generator=generator), dim=1)
    expected = F.cross_entropy(logits, targets, reduction="none")
    assert torch.allclose(cross_entropy(logits, targets), expected)
