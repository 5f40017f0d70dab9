"""Smallest adversarial perturbation; the distances themselves are tested in tests/networks."""

from __future__ import annotations

import alcli
import numpy as np
import pytest
from alcli.networks.deepfool import NEVER


def test_the_smallest_distance_comes_first() -> None:
    found = alcli.rank("deepfool", k=3, adversarial_distances=np.array([0.707107, 0.0, 3.0]))
    assert found.rows.tolist() == [1, 0, 2]
    assert found.scores == pytest.approx([1, 1 / 1.707107, 0.25])


def test_images_whose_class_never_changed_come_last_and_the_nearest_of_them_first() -> None:
    """Their scores round to one number or nearly; the distance of the first step still orders them."""
    distances = NEVER + np.array([0.5, 0.25, 0.25, 1e-4, 900.0])
    found = alcli.rank("deepfool", k=6, adversarial_distances=np.append(distances, 500.0))
    assert found.rows.tolist() == [5, 3, 1, 2, 0, 4]
    assert (found.scores > 0).all()
