"""Rounds: the record on disk, and the accuracy that audits estimate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from alcli import files, ledger, rounds, summary
from alcli import manifest as manifests
from alcli.choosing import audit_draw
from alcli.errors import StepMissing
from alcli.manifest import Manifest
from alcli.project import Project
from scipy.stats import binomtest, chisquare


@pytest.fixture
def pool(scored_pool: Callable[..., Project]) -> Project:
    return scored_pool(np.full((12, 2), 0.5))


def answered(project: Project, labels: dict[int, str], *, round_: int = 1, status: str = "ok") -> Manifest:
    """Return the manifest after round `round_` with `labels` by row."""
    rows = np.array(list(labels))
    before = manifests.read(project.manifest).replace(round_=max(round_, 1))
    return before.assign(rows, label=list(labels.values()), label_round=round_, status=status)


def record(project: Project, guesses: dict[int, str | None], *, round_: int = 1) -> None:
    manifest = manifests.read(project.manifest)
    ids = manifest.strings("alcli_id", np.array(list(guesses)))
    audit = [{"alcli_id": i, "predicted_label": g} for i, g in zip(ids, guesses.values(), strict=True)]
    about = {"round": round_, "model": "0001-aaaaaa", "audit": audit}
    files.write_json(project.round_folder(round_) / rounds.RECORD, about)


def test_an_audit_by_hand(pool: Project) -> None:
    record(pool, {0: "class-0", 1: "class-0", 2: "class-1", 3: "class-0", 4: "class-0"})
    # Row 3 is right but not an answer to this round's question yet, row 5 was not drawn.
    manifest = answered(pool, {0: "class-0", 1: "class-1", 2: "class-1", 5: "class-0"})
    low, high = binomtest(2, 3).proportion_ci(method="exact")
    (estimate,) = rounds.audits(pool, manifest)
    assert (estimate["round"], estimate["drawn"], estimate["n"], estimate["correct"]) == (1, 5, 3, 2)
    assert estimate["accuracy"] == pytest.approx(2 / 3)
    assert (estimate["low"], estimate["high"]) == pytest.approx((low, high))
    assert estimate["model"] == "0001-aaaaaa"


def test_nothing_is_said_before_an_answer_is_back(pool: Project) -> None:
    record(pool, {0: "class-0"})
    assert rounds.audits(pool, answered(pool, {1: "class-0"})) == []


def test_labels_of_another_round_do_not_count(pool: Project) -> None:
    record(pool, {0: "class-0", 1: "class-0"})
    assert rounds.audits(pool, answered(pool, {0: "class-0"}, round_=2)) == []


def test_images_without_a_guess_do_not_count(pool: Project) -> None:
    record(pool, {0: None, 1: "class-0"})
    (estimate,) = rounds.audits(pool, answered(pool, {0: "class-0", 1: "class-0"}))
    assert estimate["n"] == 1


def test_a_round_beyond_the_manifest_counts_for_nothing(pool: Project) -> None:
    record(pool, {0: "class-0"}, round_=2)
    assert rounds.audits(pool, answered(pool, {0: "class-0"})) == []


def test_a_lost_record_loses_the_estimate_and_nothing_else(pool: Project) -> None:
    pool.round_folder(1).mkdir(parents=True)
    (pool.round_folder(1) / rounds.RECORD).write_text("{")
    assert rounds.audits(pool, answered(pool, {0: "class-0"})) == []
    (pool.round_folder(1) / rounds.LISTING).touch()
    with pytest.raises(StepMissing, match="round 1") as failure:
        rounds.read(pool, 1)
    assert "--replace" in str(failure.value.hint)


def test_the_summary_has_the_audits(pool: Project) -> None:
    record(pool, {0: "class-0"})
    with ledger.writing(pool, "import-labels"):
        ledger.commit(pool, answered(pool, {0: "class-0"}), command="import-labels")
    assert summary.read(pool)["audits"][0]["correct"] == 1


@pytest.mark.parametrize(("correct", "n"), [(0, 7), (7, 7), (1, 7), (380, 400), (0, 1), (1, 1)])
def test_the_interval_is_scipys(correct: int, n: int) -> None:
    assert rounds.interval(correct, n) == pytest.approx(binomtest(correct, n).proportion_ci(method="exact"))


def test_without_answers_the_interval_is_everything() -> None:
    assert rounds.interval(0, 0) == (0.0, 1.0)


def covered(seed: int, *, truth: float, n: int, drawn: int) -> bool:
    keys = np.random.default_rng(0).integers(0, 2**63, n).astype(np.uint64)
    right = np.arange(n) < truth * n  # of the whole pool, so many are guessed right
    rows = audit_draw(keys, drawn, seed=seed, round_=1)
    low, high = rounds.interval(int(right[rows].sum()), drawn)
    return low <= truth <= high


def test_the_interval_covers_the_true_accuracy_in_95_of_100_audits() -> None:
    share = np.mean([covered(seed, truth=0.8, n=2_000, drawn=60) for seed in range(400)])
    assert (
        0.93 <= share <= 1.0
    )  # Clopper and Pearson promise at least 0.95; 0.93 is two standard errors below


def test_the_draw_is_uniform_over_the_pool() -> None:
    keys = np.random.default_rng(1).integers(0, 2**63, 50).astype(np.uint64)
    counts: Any = np.zeros(50)
    for seed in range(2_000):
        counts[audit_draw(keys, 5, seed=seed, round_=1)] += 1
    assert chisquare(counts).pvalue > 0.001


def test_each_round_draws_anew() -> None:
    keys = np.arange(1_000, dtype=np.uint64)
    one, other = (set(audit_draw(keys, 100, seed=0, round_=number)) for number in (1, 2))
    assert len(one) == len(other) == 100
    assert 1 <= len(one & other) <= 25  # 10 are expected


def batch(project: Project, guesses: dict[int, str | None], *, round_: int = 1) -> None:
    """Write the list of a round: the guess for each row."""
    manifest = manifests.read(project.manifest)
    ids, names = (manifest.strings(name, np.array(list(guesses))) for name in ("alcli_id", "file_name"))
    empty = [None] * len(ids)
    known = {"predicted_label": list(guesses.values()), "score": empty, "reason": ["rank"] * len(ids)}
    table = rounds.tabulated(strategy="margin", number=round_, alcli_id=ids, file_name=names, **known)
    rounds.write(project, round_, {"round": round_}, table)


def test_the_newest_batch_by_hand(pool: Project) -> None:
    batch(pool, {0: "class-0", 1: "class-0", 2: "class-1", 3: None, 4: "class-0"})
    # Row 3 had no guess, row 4 no answer, row 5 was not asked for; 0 and 2 were right.
    manifest = answered(pool, {0: "class-0", 1: "class-1", 2: "class-1", 3: "class-0", 5: "class-0"})
    assert rounds.newest_batch(pool, manifest) == {"round": 1, "n": 3, "correct": 2}


def test_a_batch_that_is_still_out_is_not_the_newest(pool: Project) -> None:
    batch(pool, {0: "class-0"})
    batch(pool, {1: "class-0", 2: "class-0"}, round_=2)
    manifest = answered(pool, {0: "class-0"}).assign(np.array([1]), label="class-1", label_round=2)
    assert rounds.newest_batch(pool, manifest) == {"round": 2, "n": 1, "correct": 0}
    out = manifest.assign(np.array([2]), queried_round=2)
    assert rounds.newest_batch(pool, out) == {"round": 1, "n": 1, "correct": 1}


def test_batches_of_which_nothing_is_known(pool: Project) -> None:
    assert rounds.newest_batch(pool, manifests.read(pool.manifest)) is None
    assert rounds.newest_batch(pool, answered(pool, {0: "class-0"})) is None  # its list is lost
    batch(pool, {0: None})
    assert rounds.newest_batch(pool, answered(pool, {0: "class-0"})) is None
