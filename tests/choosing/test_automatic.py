"""`auto`: by what there is."""

from __future__ import annotations

import pytest
from alcli.choosing.automatic import resolve

SCORED = {"probabilities", "margin", "embeddings"}


@pytest.mark.parametrize(
    ("available", "labelled", "k", "strategy", "because"),
    [
        (set(), 0, 100, "random", "no model"),
        (SCORED, 0, 100, "typiclust", "no labels"),
        (SCORED, 0, 501, "maxherding", "501"),
        ({"embeddings"}, 30, 10, "maxherding", "no probabilities"),
        (SCORED, 500, 100, "uherding", "500 labels of 10 classes are few"),
        (SCORED, 501, 100, "badge", "501 labels of 10 classes are many"),
        ({"probabilities"}, 30, 10, "margin", "no embeddings"),
        ({"probabilities"}, 0, 10, "random", "no model"),
    ],
)
def test_each_stage(available: set[str], labelled: int, k: int, strategy: str, because: str) -> None:
    found = resolve(available, labelled=labelled, classes=10, k=k)
    assert found.strategy == strategy
    assert because in found.because
