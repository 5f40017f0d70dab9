"""The confusion matrix, beside scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sklearn.metrics
from alcli import ledger
from alcli.choosing.source import Source
from alcli.project import Project
from alcli.reporting.confusion import confusion

Build = Callable[..., Project]


def pool(build: Build, splits: list[str], classes: int = 3, **how: object) -> tuple[Source, np.ndarray]:
    """Return a pool whose labels are drawn at random, and the codes of these."""
    random = np.random.default_rng(0)
    codes = random.integers(0, classes, len(splits))
    project = build(
        random.dirichlet(np.ones(classes), len(splits)),
        labels={row: f"class-{code}" for row, code in enumerate(codes)},
        splits=dict(enumerate(splits)),
        **how,
    )
    return Source.of(project, ledger.read(project)), codes


def expected(source: Source, codes: np.ndarray, rows: np.ndarray, classes: int = 3) -> list[list[int]]:
    probabilities = source.store.read(["probabilities"], source.manifest.keys[rows])["probabilities"]
    found = sklearn.metrics.confusion_matrix(
        codes[rows], probabilities.argmax(axis=1), labels=np.arange(classes)
    )
    return list(found.tolist())


def test_test_images_go_before_validation_images(scored_pool: Build) -> None:
    source, codes = pool(scored_pool, ["test"] * 30 + ["val"] * 30 + ["train"] * 5)
    found = confusion(source)
    assert found is not None
    assert found.about == "model 0001-aaaaaa on 30 test images"
    assert list(found.names) == ["class-0", "class-1", "class-2"]
    assert found.counts == expected(source, codes, np.arange(30))


def test_validation_images_serve_where_no_test_image_is_known(scored_pool: Build) -> None:
    source, codes = pool(scored_pool, ["test"] * 4 + ["val"] * 20, order=np.arange(4, 20))
    found = confusion(source)
    assert found is not None
    assert found.about == "model 0001-aaaaaa on 16 validation images"  # four of twenty were never scored
    assert found.counts == expected(source, codes, np.arange(4, 20))


def test_no_matrix_without_images_held_out_or_without_a_model(scored_pool: Build) -> None:
    source, _ = pool(scored_pool, ["train"] * 5)
    assert confusion(source) is None
    assert confusion(Source(source.project, source.manifest, None)) is None


def test_a_label_that_the_model_does_not_know(scored_pool: Build) -> None:
    source, _ = pool(scored_pool, ["test"] * 4)
    manifest = source.manifest.replace(label=["new"] * 4, classes=[*source.manifest.classes, "new"])
    found = confusion(Source(source.project, manifest, source.record))
    assert found is not None
    assert list(found.names) == ["class-0", "class-1", "class-2", "new"]
    assert sum(found.counts[3]) == 4


def test_of_very_many_classes_those_with_errors_are_kept(scored_pool: Build) -> None:
    """Every image of 60 classes is right, but two pairs of classes are mixed up."""
    codes = np.tile(np.arange(60), 3)
    wrong = {3: 57, 58: 7}
    predicted = np.array([wrong.get(code, code) for code in codes])
    project = scored_pool(
        np.eye(60)[predicted],
        labels={row: f"class-{code}" for row, code in enumerate(codes)},
        splits=dict.fromkeys(range(180), "test"),
    )
    found = confusion(Source.of(project, ledger.read(project)))
    assert found is not None
    assert found.about.endswith("on 180 test images; the 50 of 60 classes with the most errors")
    assert len(found.names) == 50
    assert {"class-3", "class-57", "class-58", "class-7"} < set(found.names)
    assert found.counts[found.names.index("class-3")][found.names.index("class-57")] == 3
