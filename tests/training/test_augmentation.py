"""Augmentation: shapes, seeds, and that it does what it says."""

from __future__ import annotations

import random

import numpy as np
import pytest
from alcli.errors import UsageError
from alcli.training.augmentation import augmentation, standard


@pytest.mark.parametrize("policy", ["standard", "rand-m9-mstd0.5", "augmix-m3-w3", "original"])
@pytest.mark.parametrize("channels", [1, 3])
def test_policies_keep_the_shape_and_follow_the_seed(policy: str, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 16, 16, channels), dtype=np.uint8)
    before = pixels.copy()
    augment = augmentation(policy)
    assert augment is not None
    first = augment(pixels, np.random.default_rng(1))
    assert first.shape == pixels.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, augment(pixels, np.random.default_rng(1)))
    assert not np.array_equal(first, augment(pixels, np.random.default_rng(2)))
    assert np.array_equal(pixels, before)


def test_policies_leave_the_global_generators_alone() -> None:
    augment = augmentation("rand-m9-mstd0.5")
    assert augment is not None
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    augment(np.zeros((2, 16, 16, 3), np.uint8), np.random.default_rng(0))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_standard_shifts_by_at_most_an_eighth_and_mirrors_half() -> None:
    pixels = np.zeros((400, 16, 16, 1), np.uint8)
    pixels[:, 8, 4] = 255  # one bright pixel, left of the middle
    places = np.argwhere(standard(pixels, np.random.default_rng(0))[..., 0] == 255)
    rows, columns = places[:, 1], places[:, 2]
    assert set(rows) == {6, 7, 8, 9, 10}
    assert set(columns) == {2, 3, 4, 5, 6} | {15 - column for column in (2, 3, 4, 5, 6)}
    assert 0.4 < (columns > 7).mean() < 0.6


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(UsageError, match="unknown --augment 'rnd-m9'"):
        augmentation("rnd-m9")
