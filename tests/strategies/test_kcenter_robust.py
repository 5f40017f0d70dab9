"""Robust k-center: the golden line, brute force over all sets, and the listing's mistakes mended."""

from __future__ import annotations

import itertools
import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from alcli.errors import UsageError
from alcli.ranking import find
from alcli.strategies import kcenter_robust as module
from alcli.strategies._batch import Batch, Size
from alcli.strategies._farthest import farthest_first
from alcli.strategies.kcenter_robust import kcenter_robust
from numpy.typing import NDArray

LINE = np.array([[1], [2], [5], [9], [10]], np.float32)  # algorithms.md A.4, with 0 labelled
ORIGIN = np.zeros((1, 1), np.float32)
HARD = np.random.default_rng(3).normal(size=(60, 2)).astype(np.float32)  # greedy is not the best here


def smallest(points: NDArray[np.float32], labelled: NDArray[np.float32], k: int, allowed: int) -> float:
    """The smallest radius, by trying every set of k."""
    both = np.concatenate([points, labelled]).astype(np.float64)
    apart = np.linalg.norm(both[: len(points), None] - both, axis=2)
    if allowed >= len(points):
        return 0.0
    known = list(range(len(points), len(both)))
    return float(
        min(
            np.sort(apart[:, [*chosen, *known]].min(axis=1))[len(points) - 1 - allowed]
            for chosen in itertools.combinations(range(len(points)), k)
        )
    )


def radius(
    points: NDArray[np.float32], labelled: NDArray[np.float32], rows: NDArray[Any], allowed: int
) -> float:
    """What picks reach, worked out anew."""
    centres = np.concatenate([points[rows], labelled]).astype(np.float64)
    found = np.linalg.norm(points[:, None].astype(np.float64) - centres, axis=2).min(axis=1)
    return float(np.sort(found)[len(points) - 1 - allowed])


def solved(points: NDArray[np.float32], labelled: NDArray[np.float32], k: int, **options: Any) -> Batch:
    return kcenter_robust(points, labelled_embeddings=labelled, k=k, **options)


def test_golden_line_without_outliers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Greedy takes 10 and reaches 5; from (2.5, 5), 3.75 is infeasible, so 4 is next; 4.5 is feasible with 4."""
    tested: list[float] = []
    original = module._Task.graph
    monkeypatch.setattr(module._Task, "graph", lambda self, at: (tested.append(at), original(self, at))[1])
    batch = solved(LINE, ORIGIN, 1, outliers=0)
    assert batch.rows.tolist() == [3]  # 9
    assert batch.scores.tolist() == [9]
    assert batch.quality == {
        "covering_radius": 4.0,
        "outliers": 0,
        "proven": True,
        "gap": 0.0,
        "largest_distance": 4.0,
    }
    assert tested == [3.75, 4.5]


def test_golden_line_with_one_outlier() -> None:
    """Half of the greedy radius, 2.5, is above the smallest radius, 2.0: the published search would cross over."""
    batch = solved(LINE, ORIGIN, 1, outliers=0.2)
    assert batch.quality["covering_radius"] == 2.0
    assert batch.quality["proven"]
    assert batch.quality["outliers"] == 1
    assert batch.quality["largest_distance"] == 5.0
    assert LINE[batch.rows].tolist() in ([[9]], [[10]])  # each covers the other and leaves 5 out


@pytest.mark.parametrize("allowed", [0, 1, 3])
@pytest.mark.parametrize(
    ("n", "l", "k", "d"), [(9, 1, 2, 1), (10, 2, 3, 2), (11, 0, 2, 3), (8, 0, 7, 2), (9, 3, 1, 4)]
)
@pytest.mark.parametrize("kind", ["noise", "grid", "pairs"])
def test_brute_force(kind: str, n: int, l: int, k: int, d: int, allowed: int) -> None:  # noqa: E741 (l labelled)
    """On the grid, distances are equal to each other and to tested radii; in pairs, many are 0."""
    both = np.random.default_rng([n, l, k]).normal(size=(n + l, d)).astype(np.float32)
    if kind == "grid":
        both = np.round(2 * both)
    if kind == "pairs":
        both[1::2] = both[: 2 * (len(both) // 2) : 2]
    points, labelled = both[l:], both[:l]
    batch = solved(points, labelled, k, outliers=allowed / n)
    best = smallest(points, labelled, k, allowed)
    assert batch.quality["proven"]
    assert batch.quality["covering_radius"] == pytest.approx(best, rel=1e-6, abs=1e-9)
    assert radius(points, labelled, batch.rows, allowed) <= best * (1 + 1e-6) + 1e-9
    assert len(set(batch.rows.tolist())) == k


def test_better_than_greedy_and_ordered_farthest_first() -> None:
    points, labelled = HARD[2:], HARD[:2]
    batch = solved(points, labelled, 5, outliers=0)
    assert batch.quality["covering_radius"] < 0.95 * farthest_first(points, labelled, 5).radius
    among = np.sort(batch.rows)
    assert batch.rows.tolist() == among[farthest_first(points[among], labelled, 5).rows].tolist()
    assert (np.diff(batch.scores) <= 0).all()


def test_the_same_bytes_again() -> None:
    first, second = (solved(HARD[2:], HARD[:2], 5, outliers=0.05) for _ in range(2))
    assert first.rows.tobytes() == second.rows.tobytes()


def test_outliers_are_left_out() -> None:
    """One image far from all others would cost a pick; as the outlier it does not."""
    points = np.concatenate([HARD[:39], [[500, 500]]]).astype(np.float32)
    assert 39 in solved(points, HARD[40:41], 2, outliers=0).rows
    batch = solved(points, HARD[40:41], 2, outliers=1 / 40)
    assert 39 not in batch.rows
    assert batch.quality["largest_distance"] > 400 > batch.quality["covering_radius"]


def test_no_time_at_all_gives_the_greedy_picks(caplog: pytest.LogCaptureFixture) -> None:
    greedy = farthest_first(HARD[2:], HARD[:2], 5)
    batch = solved(HARD[2:], HARD[:2], 5, outliers=0, time_limit=0)
    assert batch.rows.tolist() == greedy.rows.tolist()
    assert batch.scores.tolist() == greedy.scores.tolist()
    assert batch.quality["covering_radius"] == greedy.radius
    assert (batch.quality["proven"], batch.quality["gap"]) == (False, 0.5)
    assert "the time limit of 0 s was reached" in batch.approximations[0]
    assert "the greedy picks of kcenter are returned" in batch.approximations[0]
    assert batch.approximations[0] in caplog.text


def test_out_of_time_is_not_infeasible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken for infeasible, every radius below the greedy one would be, and the greedy one proven."""
    monkeypatch.setattr(scipy.optimize, "milp", lambda *_, **__: SimpleNamespace(x=None, status=1))
    batch = solved(LINE, ORIGIN, 1, outliers=0)
    assert batch.rows.tolist() == [4]
    assert (batch.quality["proven"], batch.quality["gap"]) == (False, 0.5)
    assert "greedy" in batch.approximations[0]


def test_a_solution_found_when_time_ran_out_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within 3.75, only 2, 5, 9 and 10 cover what 0 does not; the solver comes upon 9, then upon nothing."""
    answers = iter([np.array([0, 0, 1, 0]), None])
    monkeypatch.setattr(scipy.optimize, "milp", lambda *_, **__: SimpleNamespace(x=next(answers), status=1))
    batch = solved(LINE, ORIGIN, 1, outliers=0)
    assert batch.rows.tolist() == [3]
    assert (batch.quality["covering_radius"], batch.quality["proven"]) == (4.0, False)
    assert "the best picks found are returned" in batch.approximations[0]


def test_a_solution_of_fewer_is_completed_farthest_first() -> None:
    task = module._Task(LINE, ORIGIN, 2, 0)
    assert module._ordered(task, np.array([3]), {}, []).rows.tolist() == [3, 2]  # 9, then 5


def test_too_many_pairs_are_not_solved(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_PAIRS", 3)
    batch = solved(LINE, ORIGIN, 1, outliers=0)
    assert batch.rows.tolist() == [4]
    assert not batch.quality["proven"]
    assert "more than 3 pairs of images" in caplog.text


def test_a_gap_ends_the_search_early(caplog: pytest.LogCaptureFixture) -> None:
    batch = solved(HARD[2:], HARD[:2], 5, outliers=0, gap=0.3)
    assert 0 < batch.quality["gap"] <= 0.3
    assert not batch.quality["proven"]
    assert "within the gap asked for" in batch.approximations[0]
    assert not caplog.text


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("alcli"), "handlers", [logging.NullHandler()])  # it may tell people
    solved(HARD[2:], HARD[:2], 5)
    solved(HARD[2:], HARD[:2], 5, time_limit=1e-3)
    assert capfd.readouterr() == ("", "")


def test_everything_is_taken() -> None:
    batch = solved(HARD, HARD[:0], 60)
    assert sorted(batch.rows.tolist()) == list(range(60))
    assert batch.quality["covering_radius"] == 0
    assert batch.quality["proven"]


def test_everything_may_be_left_out() -> None:
    batch = solved(HARD[:6], HARD[7:8], 2, outliers=1)
    assert len(batch.rows) == 2
    assert (batch.quality["covering_radius"], batch.quality["outliers"]) == (0, 6)


def test_duplicates_fill_up(caplog: pytest.LogCaptureFixture) -> None:
    points = np.array([[3], [0], [3], [7], [0], [7]], np.float32)
    batch = solved(points, ORIGIN, 4)
    assert batch.rows.tolist() == [3, 0, 1, 2]
    assert list(batch.reasons) == ["diverse", "diverse", "fill", "fill"]
    assert batch.quality["filled"] == 2
    assert "2 of the images picked equal a labelled or an earlier one" in caplog.text


def test_large_pools_are_refused_before_anything_is_read() -> None:
    limit = find("kcenter-robust").limit
    assert limit is not None
    limit(Size(rows=20_000, k=5, labelled=0, classes=0, width=64), {})
    with pytest.raises(UsageError, match="up to 20,000 images; given 20,001") as caught:
        limit(Size(rows=20_001, k=5, labelled=0, classes=0, width=64), {})
    assert caught.value.hint == "--candidates 20000, or --strategy kcenter"
