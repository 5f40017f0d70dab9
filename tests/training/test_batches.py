"""Which images go into which batch."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.training import batches


@pytest.mark.parametrize(("count", "size"), [(33, 32), (5, 32), (64, 32), (100, 7), (2, 2)])
def test_shuffled_batches_hold_everything_once_and_never_a_lone_image(count: int, size: int) -> None:
    drawn = batches.shuffled(count, size, np.random.default_rng(0))
    assert sorted(np.concatenate(drawn)) == list(range(count))
    assert all(2 <= len(batch) <= size for batch in drawn)


def test_balanced_batches_have_p_classes_and_q_images() -> None:
    codes = np.repeat(np.arange(12), [5, 3, 1, *[40] * 9])  # class 2 has a single image
    drawn = batches.balanced(codes, np.random.default_rng(0))
    assert len(drawn) == batches.balanced_steps(codes) == round(369 / 80)
    for batch in drawn:
        assert len(set(batch)) == len(batch)
        classes, counts = np.unique(codes[batch], return_counts=True)
        assert len(classes) == 10
        assert 2 not in classes
        for code, count in zip(classes, counts, strict=True):
            assert count == min(8, (codes == code).sum())


def test_every_image_brings_a_companion_of_its_class() -> None:
    codes = np.array([0] * 20 + [1] * 3 + [2])
    drawn = batches.with_companions(codes, 8, np.random.default_rng(0))
    assert set(np.concatenate(drawn)) == set(range(24))
    for batch in drawn:
        assert len(batch) <= 8
        _, counts = np.unique(codes[batch], return_counts=True)
        assert all(
            count >= 2 for code, count in zip(np.unique(codes[batch]), counts, strict=True) if code != 2
        )


def test_classes_with_one_image_have_no_positive_pair() -> None:
    assert batches.anchor_classes(np.array([3, 3, 5, 7, 7])).tolist() == [3, 7]
