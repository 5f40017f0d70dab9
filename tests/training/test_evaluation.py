"""Centres and nearest centres, by hand."""

from __future__ import annotations

import numpy as np
from alcli.training.evaluation import class_centres, nearest_centre


def test_golden_nearest_centres_of_triplet_al() -> None:
    """algorithms.md A.8: ties go to the lowest class."""
    centres = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
    embeddings = np.array([[1, 0], [2, 0], [0, 2.9], [0, 1.5]], np.float32)
    assert nearest_centre(embeddings, centres).tolist() == [0, 0, 2, 0]


def test_centres_are_means_that_are_not_normalised_again() -> None:
    embeddings = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    centres = class_centres(embeddings, np.array([0, 0, 2]), 3)
    assert centres[0].tolist() == [0.5, 0.5]
    assert centres[2].tolist() == [0, 1]
    assert np.isinf(centres[1]).all()


def test_a_class_without_images_is_never_the_nearest() -> None:
    centres = np.array([[np.inf, np.inf], [1.0, 0.0]])
    assert nearest_centre(np.array([[0, 1]], np.float32), centres).tolist() == [1]
