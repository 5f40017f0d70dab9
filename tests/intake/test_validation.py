"""The validation split: how large, and which images."""

from __future__ import annotations

import collections

import numpy as np
import pytest
from alcli import randomness
from alcli.intake import validation
from alcli.manifest import Manifest


def pool(**counts: int) -> Manifest:
    names = [f"{label}/{number:04d}.png" for label, count in counts.items() for number in range(count)]
    columns = {
        "file_name": names,
        "size": [1] * len(names),
        "mtime_ns": [1] * len(names),
        "label": [None if name[0] == "_" else name.split("/")[0] for name in names],
    }
    return Manifest.build(columns, sorted(label for label in counts if label[0] != "_"))


@pytest.mark.parametrize(
    ("labelled", "fraction", "expected"),
    [
        (0, None, 0),
        (4, None, 0),
        (10, None, 2),
        (240, None, 48),
        (500, None, 100),
        (1_000, None, 100),
        (5_000, None, 100),
        (60_000, None, 1_200),
        (100, 0.29, 29),
        (100, 0.0, 0),
        (7, 0.5, 3),
    ],
)
def test_its_size(labelled: int, fraction: float | None, expected: int) -> None:
    assert validation.size(labelled, fraction) == expected


def test_a_class_keeps_two_training_images() -> None:
    manifest = pool(common=40, pair=2, single=1, triple=3)
    rows = validation.draw(manifest, fraction=0.9, seed=0)
    drawn = collections.Counter(manifest.strings("label", rows))
    assert drawn == {"common": 38, "triple": 1}


def test_it_takes_the_labelled_training_images_with_the_smallest_numbers() -> None:
    manifest = pool(a=30, b=20, _none=50)
    rows = validation.draw(manifest, fraction=0.1, seed=3)
    numbers = randomness.uniform(3, "validation", manifest.keys)
    numbers[~manifest.labelled] = 2
    assert rows.tolist() == sorted(np.argsort(numbers)[:5].tolist())


def test_it_depends_on_the_seed_and_not_on_other_images() -> None:
    small, large = pool(a=30, b=20), pool(a=30, b=20, _more=100)
    one = small.strings("file_name", validation.draw(small, fraction=0.2, seed=1))
    assert one == large.strings("file_name", validation.draw(large, fraction=0.2, seed=1))
    assert one != small.strings("file_name", validation.draw(small, fraction=0.2, seed=2))


def test_nothing_labelled_nothing_drawn() -> None:
    assert len(validation.draw(pool(_none=5), fraction=None, seed=0)) == 0
