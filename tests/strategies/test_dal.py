"""Discriminative active learning: the mini-queries around a discriminator, and with the real one."""

from __future__ import annotations

from typing import Any

import alcli
import numpy as np
import pytest
from alcli.errors import InputRejected, UsageError
from alcli.networks import discriminator
from alcli.networks.discriminator import Verdict
from alcli.strategies import dal as module
from alcli.strategies.dal import _best, _Run, _stochastic, schedule

# algorithms.md A.5: images a, b, c, d
GOLDEN = np.array([0.9, 0.9, 0.2, 0.7])


def run(p: np.ndarray, labelled: int = 1, **more: Any) -> _Run:
    """A batch in the making whose discriminator says `p` of every image; an image's point is its number."""
    points = np.arange(len(p), dtype=np.float32)[:, None]

    def discriminate(rows: np.ndarray, known: int, seed: int) -> Verdict:
        return Verdict(p[rows[known:, 0].astype(int)], 1, 1.0)

    given = {"subsample": 10.0, "discriminate": discriminate, "draw": _best, "seed": 0, **more}
    return _Run(points, np.full((labelled, 1), -1, np.float32), **given)


def test_golden_order() -> None:
    made = run(GOLDEN)
    made.query(1)
    made.query(1)
    assert made.rows.tolist() == [0, 1]
    assert made.scores.tolist() == [0.9, 0.9]


@pytest.mark.parametrize(
    ("k", "queries", "sizes"),
    [(1_000, 20, [50] * 20), (10, 20, [1] * 10), (7, 3, [3, 2, 2]), (1, 20, [1]), (21, 20, [2] + [1] * 19)],
)
def test_golden_schedules(k: int, queries: int, sizes: list[int]) -> None:
    """With k below the number of mini-queries the released code picks int(k / n) = 0 rows, which as `[-0:]`
    is all of them (pitfalls.md 1.8)."""
    assert schedule(k, queries) == sizes


def clouds(n: int = 90, labelled: int = 30, width: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points around 0, of which the first are labelled, and a last third that is far from these."""
    points = np.random.default_rng(seed).normal(size=(n, width))
    points[-(n // 3) :] += 4
    return points, np.arange(n) < labelled


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_budget_below_the_number_of_mini_queries(k: int) -> None:
    points, labelled = clouds()
    rows = alcli.rank("dal", k=k, embeddings=points, labelled=labelled, epochs=5).rows
    assert len(set(rows.tolist())) == k


def test_what_is_unlike_the_labelled_images_comes_first() -> None:
    points, labelled = clouds()
    found = alcli.rank("dal", k=10, embeddings=points, labelled=labelled, queries=1)
    assert (found.rows >= 60).all()
    assert (found.scores > 0.5).all()


def naive(
    points: np.ndarray, labelled: np.ndarray, k: int, *, seed: int, queries: int, epochs: int
) -> list[int]:
    """Algorithm 1 in plain loops, on lists; the whole rest is looked at."""
    known = [points[i] for i in np.flatnonzero(labelled)]
    rest = np.flatnonzero(~labelled).tolist()
    picked: list[int] = []
    left = k
    for number in range(min(queries, k)):
        size = -(-left // (min(queries, k) - number))
        rows = np.array(known + [points[i] for i in rest], np.float32)
        how = discriminator.Recipe(1e-3, 32, epochs)
        chance = alcli.randomness.derive_seed(seed, "discriminator", number)
        p = discriminator.discriminate(rows, len(known), how, seed=chance).unlabelled
        best = sorted(range(len(rest)), key=lambda i: (-p[i], rest[i]))[:size]
        moved = [rest[i] for i in best]
        picked += moved
        known += [points[i] for i in moved]
        rest = [i for i in rest if i not in moved]
        left -= size
    return picked


@pytest.mark.parametrize(("n", "labelled", "width", "k"), [(60, 20, 6, 7), (50, 30, 33, 11), (40, 5, 3, 3)])
def test_picks_are_those_of_plain_loops(n: int, labelled: int, width: int, k: int) -> None:
    points, mask = clouds(n, labelled, width)
    points = points.astype(np.float32)
    given = {"queries": 3, "epochs": 15, "seed": 4}
    found = alcli.rank("dal", k=k, embeddings=points, labelled=mask, subsample=1_000, **given)
    assert found.rows.tolist() == naive(points, mask, k, **given)


def test_only_a_sample_is_looked_at_and_it_grows() -> None:
    seen: list[tuple[int, int]] = []

    def discriminate(rows: np.ndarray, known: int, seed: int) -> Verdict:
        seen.append((known, len(rows) - known))
        return Verdict(np.linspace(0, 1, len(rows) - known), 1, 1.0)

    made = run(np.zeros(100), labelled=2, discriminate=discriminate, subsample=5.0)
    for size in (3, 3, 30):
        made.query(size)
    assert seen == [(2, 10), (5, 25), (8, 40)]  # 5 times what is labelled or picked
    made.query(40)
    assert seen[-1] == (38, 64)  # all that is left
    assert len(set(made.rows.tolist())) == 76


def test_a_sample_is_never_smaller_than_what_is_picked_of_it() -> None:
    made = run(np.zeros(100), labelled=1, subsample=1.0)
    made.query(30)
    assert len(set(made.rows.tolist())) == 30


def test_samples_are_uniform() -> None:
    """Chi-square over the one row that a sample of one row holds: the 0.1 % point for 9 degrees is 27.9."""
    counts = np.zeros(10)
    for seed in range(2_000):
        made = run(np.zeros(10), subsample=1.0, seed=seed)
        made.query(1)
        counts[made.rows[0]] += 1
    assert ((counts - 200) ** 2 / 200).sum() < 27.9


def test_the_stochastic_variant_draws_in_proportion() -> None:
    """Chi-square of first and of second pick against exp((P - 1) / 0.01), without replacement."""
    p = np.array([0.99, 0.985, 0.98, 0.97, 0.5])
    weights = np.exp((p - 1) / 0.01)
    share = weights / weights.sum()
    second = np.array(
        [sum(share[i] * share[j] / (1 - share[i]) for i in range(5) if i != j) for j in range(5)]
    )
    draws = np.array([_stochastic(p, 2, np.random.default_rng(seed)) for seed in range(4_000)])
    for column, expected in ((0, share), (1, second)):
        counts = np.bincount(draws[:, column], minlength=5)[:4]  # the last one's chance is 10⁻²¹
        assert (
            (counts - 4_000 * expected[:4]) ** 2 / (4_000 * expected[:4])
        ).sum() < 16.3  # 0.1 %, 3 degrees
    assert not (draws == 4).any()


def test_the_stochastic_variant_is_an_option() -> None:
    points, labelled = clouds()
    given = {"k": 10, "embeddings": points, "labelled": labelled, "epochs": 10}
    drawn = alcli.rank("dal", **given, pick="stochastic")
    assert len(set(drawn.rows.tolist())) == 10
    assert drawn.rows.tolist() != alcli.rank("dal", **given).rows.tolist()
    assert drawn.rows.tolist() == alcli.rank("dal", **given, pick="stochastic").rows.tolist()


def batch(points: np.ndarray, labelled: np.ndarray, k: int, **options: Any) -> Any:
    given = {"seed": 0, "device": "cpu", "epochs": 10, **options}
    singles = points.astype(np.float32)
    return module.dal(singles[~labelled], labelled_embeddings=singles[labelled], k=k, **given)


def test_the_report_says_how_each_discriminator_did(caplog: pytest.LogCaptureFixture) -> None:
    points, labelled = clouds()
    made = batch(points, labelled, 5, queries=2)
    assert [query["images"] for query in made.quality["mini_queries"]] == [3, 2]
    assert {query["epochs"] for query in made.quality["mini_queries"]} == {10}
    assert "2 of 2 discriminators stayed at or below an accuracy of 0.98" in caplog.text


def test_a_reached_accuracy_needs_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    points, labelled = clouds()
    made = batch(points, labelled, 2, stop_accuracy=0.6)
    assert all(query["accuracy"] > 0.6 for query in made.quality["mini_queries"])
    assert caplog.text == ""


def test_balanced_weights_reach_the_discriminator(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[discriminator.Recipe] = []

    def spy(points: np.ndarray, known: int, how: discriminator.Recipe, **_: Any) -> Verdict:
        used.append(how)
        return Verdict(np.zeros(len(points) - known), 1, 1.0)

    monkeypatch.setattr(discriminator, "discriminate", spy)
    points, labelled = clouds()
    batch(points, labelled, 1, class_weight="balanced", stop_accuracy=0.9, epochs=0)
    batch(points, labelled, 1, epochs=7)
    assert (used[0].balanced, used[0].stop, used[0].epochs) == (True, 0.9, 1_000)
    assert (used[1].balanced, used[1].stop, used[1].epochs) == (False, 0.98, 7)


def test_what_is_approximated_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        discriminator,
        "discriminate",
        lambda points, known, *_, **__: Verdict(np.zeros(len(points) - known), 1, 1.0),
    )
    points = np.zeros((20_000, 512), np.float16)
    labelled = np.arange(20_000) < 1_000
    notes = " / ".join(batch(points, labelled, 10, epochs=0).approximations)
    assert "the first at 10,000 of 19,000 images" in notes
    assert "90 epochs at most, in batches of 1024; published: 500 and 1024" in notes
    assert "epochs" not in " ".join(batch(points, labelled, 10, epochs=300).approximations)
    small, few = clouds()
    assert batch(small, few, 5, epochs=0).approximations == []


def test_everything_is_ordered_by_one_discriminator() -> None:
    points, labelled = clouds()
    made = batch(points, labelled, 60)
    assert sorted(made.rows.tolist()) == list(range(60))
    assert len(made.quality["mini_queries"]) == 1
    assert (np.diff(made.scores) <= 0).all()


def test_equal_points_come_by_row() -> None:
    points, labelled = np.ones((40, 6)), np.arange(40) < 10
    assert batch(points, labelled, 9, queries=3).rows.tolist() == list(range(9))


def test_without_labelled_images_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(InputRejected, match="no labelled images") as refusal:
        alcli.rank("dal", k=3, embeddings=np.ones((5, 2)), labelled=np.zeros(5, bool))
    assert "kmeans" in str(refusal.value.hint)


@pytest.mark.parametrize(
    "option", [{"queries": 0}, {"subsample": 0.5}, {"stop_accuracy": 1.5}, {"epochs": -1}, {"pick": "worst"}]
)
def test_options_out_of_range_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(option))):
        alcli.rank("dal", k=1, embeddings=np.ones((3, 2)), labels=[0, -1, -1], **option)
