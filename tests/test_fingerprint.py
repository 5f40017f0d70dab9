"""Fingerprints: the same for the same rows in any order and any chunks, another for any other row."""

from __future__ import annotations

import numpy as np
import pytest
from alcli.fingerprint import Fingerprint

KEYS = np.arange(10, dtype=np.uint64) * np.uint64(977)


def of(keys: np.ndarray, chunk: int, **arrays: np.ndarray) -> str:
    fingerprint = Fingerprint()
    for start in range(0, max(len(keys), 1), chunk):
        rows = slice(start, start + chunk)
        fingerprint.add(keys[rows], {name: values[rows] for name, values in arrays.items()})
    return fingerprint.hexdigest()


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).random((10, 3)).astype(np.float32)


def test_neither_chunks_nor_order_matter(values: np.ndarray) -> None:
    whole = of(KEYS, 10, margin=values[:, 0], probabilities=values)
    assert of(KEYS, 3, margin=values[:, 0], probabilities=values) == whole
    back = slice(None, None, -1)
    assert of(KEYS[back], 4, probabilities=values[back], margin=values[back, 0]) == whole


def test_any_other_row_shows(values: np.ndarray) -> None:
    whole = of(KEYS, 10, probabilities=values)
    for position in np.ndindex(values.shape):
        changed = values.copy()
        changed[position] = np.nextafter(changed[position], np.float32(2))
        assert of(KEYS, 10, probabilities=changed) != whole


def test_two_images_that_change_places_show(values: np.ndarray) -> None:
    swapped = values.copy()
    swapped[[0, 1]] = values[[1, 0]]
    assert of(KEYS, 10, probabilities=swapped) != of(KEYS, 10, probabilities=values)


def test_the_name_and_half_precision_count(values: np.ndarray) -> None:
    half = values.astype(np.float16)
    assert of(KEYS, 10, embeddings=half) != of(KEYS, 10, triplet_embeddings=half)
    assert len(of(KEYS, 10, embeddings=half)) == 16


def test_no_rows_are_nothing() -> None:
    assert of(KEYS[:0], 5, probabilities=np.empty((0, 3), np.float32)) == of(KEYS[:0], 5)
