"""Facility location."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alcli.strategies._batch import Batch
from alcli.strategies.facility_location import facility_location
from numpy.typing import NDArray

from tests.geometry import coverings


def pick(rows: NDArray[np.float32], k: int, labelled: int = 0, **options: Any) -> Batch:
    about = {"seed": 0, "device": "cpu", "labelled_embeddings": rows[:labelled], **options}
    return facility_location(rows[labelled:], k=k, **about)


def test_golden() -> None:
    batch = pick(coverings.GOLDEN, 3, similarity="rbf")
    assert batch.rows.tolist() == [1, 4, 5]
    assert batch.scores.sum() * 6 == pytest.approx(5.618219, abs=5e-7)
    assert batch.quality["coverage"] * 6 == pytest.approx(5.618219, abs=5e-7)


@pytest.mark.parametrize("labelled", [0, 9])
@pytest.mark.parametrize(("n", "d", "clustered"), [(50, 3, False), (140, 40, True)])
def test_the_twin(n: int, d: int, clustered: bool, labelled: int) -> None:
    rows = coverings.points(n, d, clustered=clustered)
    batch = pick(rows * np.float32(7), 30, labelled)
    unit = rows.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    similarity = (1 + unit[labelled:] @ unit.T) / 2
    covered = similarity[:, :labelled].max(axis=1, initial=0)
    expected = coverings.plain(similarity[:, labelled:], 30, np.ones(len(similarity)), covered)
    assert batch.rows.tolist() == expected[0]
    assert batch.scores == pytest.approx(np.array(expected[1]) / len(similarity), abs=1e-6)
    assert "kernel_width" not in batch.quality


def test_the_lengths_of_embeddings_count_for_rbf_only() -> None:
    rows = coverings.points(40, 4, clustered=False)
    longer = rows * np.linspace(1, 5, 40, dtype=np.float32)[:, None]
    assert pick(rows, 9).rows.tolist() == pick(longer, 9).rows.tolist()
    assert pick(rows, 9, similarity="rbf").rows.tolist() != pick(longer, 9, similarity="rbf").rows.tolist()
