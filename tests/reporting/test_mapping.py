"""Embeddings in the plane: where points lie, who is drawn, and whose class is kept back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from alcli import ledger
from alcli.choosing.source import Source
from alcli.errors import UsageError
from alcli.project import Project
from alcli.reporting import mapping
from alcli.reporting.newest import Withheld
from alcli.reporting.page import Map
from sklearn.neighbors import KNeighborsClassifier

Build = Callable[..., Project]
NOBODY = np.empty(0, np.int64)


def clusters(n: int = 60, d: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Return n points in three far clusters, and which cluster each is of."""
    random = np.random.default_rng(0)
    of = np.arange(n) % 3
    return (random.normal(0, 5, (3, d))[of] + random.normal(0, 0.3, (n, d))).astype(np.float16), of


def scored(
    build: Build, points: np.ndarray, *, labels: dict[int, str] | None = None, **more: object
) -> Source:
    probabilities = np.random.default_rng(1).dirichlet(np.ones(3), len(points))
    project = build(probabilities, signals={"embeddings": points}, labels=labels, **more)
    return Source.of(project, ledger.read(project))


def drawn(
    source: Source, selected: np.ndarray = NOBODY, *, hidden: list[int] | None = None, **how: object
) -> Map:
    guesses, labels = np.zeros((2, len(source.manifest)), np.bool_)
    guesses[hidden or []] = True
    found = mapping.draw_map(
        source, selected, Withheld(guesses, labels), **{"method": "pca", "seed": 0, **how}
    )  # type: ignore[arg-type]
    assert found is not None
    return found


def test_pca_is_the_projection_on_the_first_singular_vectors(scored_pool: Build) -> None:
    points, _ = clusters()
    found = drawn(scored(scored_pool, points))
    centred = points.astype(np.float64) - points.astype(np.float64).mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    for axis, places in enumerate((found.x, found.y)):
        assert abs(np.corrcoef(places, left[:, axis] * sizes[axis])[0, 1]) == pytest.approx(1, abs=1e-5)
    spans = np.ptp(left[:, :2] * sizes[:2], axis=0)
    assert np.ptp(found.y) / np.ptp(found.x) == pytest.approx(spans[1] / spans[0], abs=1e-3)
    assert (min(found.x), max(found.x)) == (0.0, 1.0)


def test_tsne_keeps_clusters_together_and_repeats(scored_pool: Build) -> None:
    points, of = clusters()
    source = scored(scored_pool, points)
    found = drawn(source, method="tsne")
    places = np.stack([found.x, found.y], axis=1)
    assert KNeighborsClassifier(3).fit(places, of).score(places, of) == 1.0
    assert places.min() >= 0
    assert places.max() <= 1
    assert drawn(source, method="tsne") == found
    assert found.about == "t-SNE of the newest model's embeddings: 60 other images"


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_of_a_few_points_pca_is_shown(scored_pool: Build, n: int) -> None:
    found = drawn(scored(scored_pool, clusters(n)[0]), method="tsne")
    assert found.about.startswith("PCA")
    assert len(found.x) == n
    assert np.isfinite([*found.x, *found.y]).all()


@pytest.mark.parametrize("method", ["tsne", "pca"])
@pytest.mark.parametrize("width", [1, 5])
def test_points_that_do_not_differ(scored_pool: Build, method: str, width: int) -> None:
    found = drawn(scored(scored_pool, np.ones((20, width), np.float16)), method=method)
    assert {*found.x, *found.y} == {0.5}


def test_embeddings_of_one_number(scored_pool: Build) -> None:
    found = drawn(scored(scored_pool, np.arange(20, dtype=np.float16)[:, None]), method="tsne")
    assert len(set(found.x)) > 10


def test_everybody_has_a_kind_and_a_class(scored_pool: Build) -> None:
    source = scored(scored_pool, clusters(12)[0], labels={0: "class-2", 1: "class-0"}, splits={2: "test"})
    predicted = source.store.read(["prediction"], source.manifest.keys)["prediction"]
    found = drawn(source, np.array([3, 4, 1, -1]), hidden=[4, 1])
    at = {name: index for index, name in enumerate(found.file_names)}
    kinds = {name: found.kinds[index] for name, index in at.items()}
    assert "img-0002.jpg" not in kinds  # held out
    assert kinds.pop("img-0000.jpg") == "l"
    assert {kinds.pop(f"img-000{row}.jpg") for row in (1, 3, 4)} == {"s"}
    assert set(kinds.values()) == {"p"}
    code = {int(name[4:8]): found.classes[index] for name, index in at.items()}
    assert (code[0], code[1], code[4]) == (2, 0, -1)  # a label, a label though hidden, hidden
    assert all(code[row] == predicted[row] for row in (3, 5, 6, 7, 8, 9, 10, 11))
    assert list(found.names) == ["class-0", "class-1", "class-2"]


def test_images_without_embeddings_are_not_on_the_map(scored_pool: Build) -> None:
    source = scored(scored_pool, clusters(12)[0], order=np.arange(7))
    assert drawn(source, np.array([5, 8])).file_names == [
        f"img-000{row}.jpg" for row in (0, 1, 2, 3, 4, 6, 5)
    ]


def test_of_too_many_a_sample_is_drawn_by_key(scored_pool: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "POINTS", 30)
    labels = dict.fromkeys(range(5), "class-0")
    source = scored(scored_pool, clusters(100)[0], labels=labels)
    found = drawn(source, np.arange(50, 90))
    assert [found.kinds.count(kind) for kind in "lsp"] == [5, 12, 13]
    assert "12 selected of 40, 5 labelled, 13 other of 55 images" in found.about
    assert drawn(source, np.arange(50, 90), seed=1).file_names != found.file_names
    monkeypatch.setattr(mapping, "POINTS", 40)
    assert set(found.file_names) < set(drawn(source, np.arange(50, 90)).file_names)


@pytest.mark.parametrize(
    ("counts", "total", "expected"),
    [
        ([20, 900, 60_000], 3_000, [20, 900, 2_080]),
        ([5_000, 5_000, 5_000], 3_000, [1_000, 1_000, 1_000]),
        ([1, 2, 3], 3_000, [1, 2, 3]),
        ([0, 10, 10], 11, [0, 5, 6]),
        ([], 5, []),
    ],
)
def test_fair_shares(counts: list[int], total: int, expected: list[int]) -> None:
    assert mapping.fair_shares(counts, total) == expected


def test_places_fill_the_square_and_keep_their_shape() -> None:
    places = mapping.in_unit_square(np.array([[0, 0], [4, 1], [2, 2]], np.float32))
    assert places.tolist() == [[0, 0.25], [1, 0.5], [0.5, 0.75]]


def test_no_map(scored_pool: Build) -> None:
    source = scored(scored_pool, clusters(12)[0])
    hidden = np.zeros(12, np.bool_)
    assert mapping.draw_map(source, NOBODY, hidden, method="none", seed=0) is None
    without = scored_pool(np.full((4, 2), 0.5), name="without")
    bare = Source.of(without, ledger.read(without))
    assert mapping.draw_map(bare, NOBODY, hidden[:4], method="pca", seed=0) is None
    with pytest.raises(UsageError, match="umap"):
        mapping.check_method("umap")


def test_triplet_embeddings_serve_where_there_are_no_others(scored_pool: Build) -> None:
    points, _ = clusters(12)
    project = scored_pool(np.full((12, 2), 0.5), signals={"triplet_embeddings": points})
    assert len(drawn(Source.of(project, ledger.read(project))).x) == 12
