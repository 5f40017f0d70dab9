"""Greedy k-center: the golden line, a naive twin that measures everything, and what it promises."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from alcli.strategies import _farthest
from alcli.strategies._farthest import Cover, farthest_first, measured, nearest_centres
from alcli.strategies.kcenter import kcenter
from numpy.typing import NDArray

LINE = np.array([[1], [2], [5], [9], [10]], np.float32)  # algorithms.md A.4, with 0 labelled
NOTHING = np.empty((0, 1), np.float32)

SHAPES = [  # of each: rows, width, labelled rows, picks
    (60, 1, 3, 30),
    (200, 2, 1, 60),
    (300, 5, 0, 80),
    (500, 24, 10, 120),
    (400, 64, 150, 100),
    (90, 200, 4, 90),
]


def twin(
    points: NDArray[np.float32], labelled: NDArray[np.float32], k: int
) -> tuple[list[int], list[float], float]:
    """Measure every row against every centre, in float64."""
    rows = points.astype(np.float64)
    best = np.full(len(rows), np.inf)
    for centre in labelled.astype(np.float64):
        best = np.minimum(best, np.sqrt(((rows - centre) ** 2).sum(axis=1)))
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(k):
        if not len(labelled) and not picks:
            row = int(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).argmin())
        else:
            row = int(best.argmax())
        scores.append(best[row])
        best = np.minimum(best, np.sqrt(((rows - rows[row]) ** 2).sum(axis=1)))
        picks.append(row)
        scores[-1] = best.max() if np.isinf(scores[-1]) else scores[-1]
    return picks, scores, float(best.max())


def pool(kind: str, n: int, d: int) -> NDArray[np.float32]:
    rng = np.random.default_rng([n, d])
    if kind == "noise":
        return rng.normal(size=(n, d)).astype(np.float32)
    if kind == "clusters":
        middles = rng.normal(scale=8, size=(12, d))
        return (middles[rng.integers(12, size=n)] + rng.normal(size=(n, d))).astype(np.float32)
    spread = rng.normal(size=(n, d)) * np.geomspace(10, 0.01, d)  # as embeddings are: few directions matter
    return (spread + 1000 * (kind == "far off")).astype(np.float32)


@pytest.mark.parametrize("kind", ["noise", "clusters", "flat", "far off"])
@pytest.mark.parametrize(("n", "d", "l", "k"), SHAPES)
def test_the_picks_of_the_naive_twin(kind: str, n: int, d: int, l: int, k: int) -> None:  # noqa: E741 (l labelled)
    points = pool(kind, n + l, d)
    found = farthest_first(points[l:], points[:l], k)
    picks, scores, radius = twin(points[l:], points[:l], k)
    assert found.rows.tolist() == picks
    assert found.scores == pytest.approx(scores, rel=1e-12)
    assert found.radius == pytest.approx(radius, rel=1e-12)


@pytest.mark.parametrize("dense", [0, 10**9])
def test_either_way_of_measuring_gives_the_same_picks(monkeypatch: pytest.MonkeyPatch, dense: int) -> None:
    """0: only what the sketches leave is measured; 10⁹: a product over all rows comes first, always."""
    monkeypatch.setattr(_farthest, "_DENSE", dense)
    points = pool("clusters", 500, 24)
    assert (
        farthest_first(points[10:], points[:10], 100).rows.tolist() == twin(points[10:], points[:10], 100)[0]
    )


def test_few_rows_are_measured_in_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    points = pool("clusters", 4000, 24)
    counts: list[int] = []

    def counted(*arguments: NDArray[np.float32]) -> NDArray[np.float64]:
        found = measured(*arguments)
        counts.append(len(found))
        return found

    monkeypatch.setattr(_farthest, "measured", counted)
    farthest_first(points[20:], points[:20], 200)
    assert np.mean(counts) < 0.05 * len(points)


def test_golden_line() -> None:
    batch = kcenter(LINE, labelled_embeddings=np.zeros((1, 1), np.float32), k=3, device="cpu")
    assert batch.rows.tolist() == [4, 2, 1]  # 10, 5, 2
    assert batch.scores.tolist() == [10, 5, 2]
    assert batch.quality == {"covering_radius": 1.0, "mean_distance": pytest.approx(2 / 5)}
    for k, radius in ((1, 5), (2, 2), (3, 1)):
        assert farthest_first(LINE, np.zeros((1, 1), np.float32), k).radius == radius


def test_the_radius_is_at_most_twice_the_smallest() -> None:
    for seed in range(8):
        points = np.random.default_rng(seed).normal(size=(13, 2)).astype(np.float32)
        apart = np.linalg.norm(points[:, None] - points, axis=2)  # 12 to choose among, 1 labelled
        best = min(
            apart[:-1][:, [*chosen, 12]].min(axis=1).max() for chosen in itertools.combinations(range(12), 3)
        )
        found = farthest_first(points[:-1], points[-1:], 3)
        assert best * (1 - 1e-6) <= found.radius <= 2 * best


def test_nothing_labelled_starts_nearest_the_mean() -> None:
    batch = kcenter(LINE, labelled_embeddings=NOTHING, k=3, device="cpu")
    assert batch.rows.tolist() == [2, 4, 0]  # the mean is 5.4
    assert batch.scores.tolist() == [5, 5, 4]  # 10 is farthest from 5; then 1 from 5


def test_duplicates_are_never_taken_and_fill_up_by_row(caplog: pytest.LogCaptureFixture) -> None:
    """Pitfalls 1.12: elsewhere, row 0 is picked again and again once everything is covered."""
    points = np.array([[3], [0], [3], [7], [0], [7]], np.float32)
    batch = kcenter(points, labelled_embeddings=np.zeros((1, 1), np.float32), k=5, device="cpu")
    assert batch.rows.tolist() == [3, 0, 1, 2, 4]
    assert batch.scores.tolist() == [7, 3, 0, 0, 0]
    assert list(batch.reasons) == ["diverse", "diverse", "fill", "fill", "fill"]
    assert batch.quality == {"covering_radius": 0.0, "mean_distance": 0.0, "filled": 3}
    assert "every image equals a labelled or chosen one after 2 picks: 3 fill up" in caplog.text


def test_duplicates_far_from_the_origin_are_exactly_equal() -> None:
    """‖x‖² + ‖c‖² - 2x·c in float32 leaves about 1 here, or the root of a negative number."""
    points = np.repeat(pool("far off", 5, 40), 3, axis=0)
    found = farthest_first(points, points[:1], 15)
    assert len(found.rows) == 4
    assert found.radius == 0


def test_everything_is_covered_already() -> None:
    points = np.ones((4, 3), np.float32)
    batch = kcenter(points, labelled_embeddings=points[:2], k=3, device="cpu")
    assert batch.rows.tolist() == [0, 1, 2]
    assert batch.quality["filled"] == 3


def test_equally_far_rows_come_in_order() -> None:
    square = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32)
    batch = kcenter(square, labelled_embeddings=np.zeros((1, 2), np.float32), k=4, device="cpu")
    assert batch.rows.tolist() == [0, 1, 2, 3]


def test_scores_never_rise_and_everything_may_be_taken() -> None:
    points = pool("flat", 120, 6)
    found = farthest_first(points, points[:0], 120)
    assert sorted(found.rows.tolist()) == list(range(120))
    assert (np.diff(found.scores) <= 0).all()
    assert found.radius == 0


@pytest.mark.parametrize("kind", ["noise", "clusters", "flat", "far off"])
def test_what_is_skipped_could_not_have_changed(kind: str) -> None:
    """Of every new centre: all rows that come nearer by it are among those that are measured."""
    points = pool(kind, 300, 32)
    cover = Cover(points[5:], points[:5], 40)
    for row in np.random.default_rng(0).permutation(295)[:40]:
        found = np.linalg.norm(points[5:].astype(np.float64) - points[5 + row], axis=1)
        nearer = np.flatnonzero(found < cover.distances)
        assert set(nearer) <= set(cover._changeable(row))
        assert set(nearer) <= set(cover._by_product(row))
        cover.add(row)


def test_a_labelled_image_close_to_another_is_told_apart() -> None:
    """A product of matrices alone cannot say which of two centres 1e-4 apart is nearer."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, 30)).astype(np.float32)
    centres[1::2] = centres[::2] + np.float32(1e-4)
    points = centres + rng.normal(scale=1e-5, size=centres.shape).astype(np.float32)
    owner, found = nearest_centres(points, centres, centres.mean(axis=0))
    assert owner.tolist() == list(range(50))
    assert found == pytest.approx(np.linalg.norm(points.astype(np.float64) - centres, axis=1), rel=1e-12)
