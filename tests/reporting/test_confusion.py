"""The confusion matrix, beside scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sklearn.metrics
from alcli import ledger
from alcli.choosing.source import Source
from alcli.project import Project
from alcli.reporting import grids
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


def expected(
    source: Source, codes: np.ndarray, rows: np.ndarray, classes: int = 3
) -> dict[tuple[int, int], int]:
    probabilities = source.store.read(["probabilities"], source.manifest.keys[rows])["probabilities"]
    found = sklearn.metrics.confusion_matrix(
        codes[rows], probabilities.argmax(axis=1), labels=np.arange(classes)
    )
    return {(int(true), int(taken)): int(found[true, taken]) for true, taken in np.argwhere(found)}


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
    assert {true for true, _ in found.counts} == {3}
    assert sum(found.counts.values()) == 4


def test_of_very_many_classes_none_is_left_out(scored_pool: Build) -> None:
    """Every image of 60 classes is right, but two pairs of classes are mixed up: accuracy is 174 of 180."""
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
    assert (found.about, len(found.names)) == ("model 0001-aaaaaa on 180 test images", 60)
    table = grids.matrix(found)
    assert (table.total, table.right) == (180, 174)
    known = sklearn.metrics.classification_report(
        [f"class-{code}" for code in codes],
        [f"class-{code}" for code in predicted],
        output_dict=True,
        zero_division=np.nan,
    )
    recalls = {row.name: row.recall for row in table.rows}
    assert recalls == {name: known[name]["recall"] for name in found.names}
    precisions = {row.name: row.precision for row in table.rows}
    assert precisions["class-7"] == known["class-7"]["precision"] == 0.5
    assert precisions["class-3"] is None
    assert [(row.name, row.rival) for row in table.rows[:2]] == [
        ("class-3", ("class-57", 3)),
        ("class-58", ("class-7", 3)),
    ]
