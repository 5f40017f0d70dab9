"""What people answered, against what the model had said: audits and the newest batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from alcli import files, hindsight, ledger, rounds, summary, votebook
from alcli import manifest as manifests
from alcli.labelling import recording
from alcli.manifest import Manifest
from alcli.project import Project
from scipy.stats import binomtest


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
    (estimate,) = hindsight.audits(pool, manifest)
    assert (estimate["round"], estimate["drawn"], estimate["n"], estimate["correct"]) == (1, 5, 3, 2)
    assert estimate["accuracy"] == pytest.approx(2 / 3)
    assert (estimate["low"], estimate["high"]) == pytest.approx((low, high))
    assert estimate["model"] == "0001-aaaaaa"


def test_nothing_is_said_before_an_answer_is_back(pool: Project) -> None:
    record(pool, {0: "class-0"})
    assert hindsight.audits(pool, answered(pool, {1: "class-0"})) == []


def test_labels_of_another_round_do_not_count(pool: Project) -> None:
    record(pool, {0: "class-0", 1: "class-0"})
    assert hindsight.audits(pool, answered(pool, {0: "class-0"}, round_=2)) == []


def test_images_without_a_guess_do_not_count(pool: Project) -> None:
    record(pool, {0: None, 1: "class-0"})
    (estimate,) = hindsight.audits(pool, answered(pool, {0: "class-0", 1: "class-0"}))
    assert estimate["n"] == 1


def test_a_round_beyond_the_manifest_counts_for_nothing(pool: Project) -> None:
    record(pool, {0: "class-0"}, round_=2)
    assert hindsight.audits(pool, answered(pool, {0: "class-0"})) == []


def test_a_lost_record_loses_the_estimate_and_nothing_else(pool: Project) -> None:
    pool.round_folder(1).mkdir(parents=True)
    (pool.round_folder(1) / rounds.RECORD).write_text("{")
    assert hindsight.audits(pool, answered(pool, {0: "class-0"})) == []


def test_the_summary_has_the_audits(pool: Project) -> None:
    record(pool, {0: "class-0"})
    with ledger.writing(pool, "import-labels"):
        ledger.commit(pool, answered(pool, {0: "class-0"}), command="import-labels")
    assert summary.read(pool)["audits"][0]["correct"] == 1


def sent(project: Project, number: int, reasons: dict[int, str]) -> None:
    """Write a round's list: why each row was sent out."""
    manifest = manifests.read(project.manifest)
    ids, names = (manifest.strings(name, np.array(list(reasons))) for name in ("alcli_id", "file_name"))
    table = rounds.tabulated(
        strategy="x", number=number, alcli_id=ids, file_name=names, reason=list(reasons.values())
    )
    again = list(reasons.values()).count(rounds.AGAIN)
    rounds.write(project, number, {"round": number, "counts": {"again": again}}, table)


def test_an_answer_that_a_later_round_corrected_counts_as_it_is_now(pool: Project) -> None:
    record(pool, dict.fromkeys(range(5), "class-0"))
    sent(pool, 2, {1: "rank", 2: rounds.PLANTED, 3: "rank"})
    sent(pool, 3, {2: rounds.AGAIN, 3: rounds.AGAIN, 4: rounds.AGAIN})
    # All of the audit's rows are labelled now: row 0 as ever, row 1 was withdrawn from round 1 and answered to round 2,
    # and so was row 3 before round 3 asked again; rows 2 and 4 had answered round 1, and round 3 changed row 4's.
    manifest = answered(
        pool, {0: "class-0", 1: "class-0", 2: "class-0", 3: "class-0", 4: "class-1"}, round_=3
    )
    manifest = manifest.assign(np.array([0]), label_round=1).assign(np.array([1]), label_round=2)
    (estimate,) = hindsight.audits(pool, manifest)
    assert (estimate["drawn"], estimate["n"], estimate["correct"]) == (5, 3, 2)
    assert np.flatnonzero(hindsight.answers_to_audits(pool, manifest)).tolist() == [0, 2, 4]


def test_which_images_answer_an_audit(pool: Project) -> None:
    record(pool, {3: "class-0", 1: None, 2: "class-0"})
    manifest = answered(pool, {1: "class-0", 3: "class-1", 5: "class-0"})
    assert np.flatnonzero(hindsight.answers_to_audits(pool, manifest)).tolist() == [1, 3]
    assert not hindsight.answers_to_audits(pool, manifests.read(pool.manifest)).any()


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
    assert hindsight.newest_batch(pool, manifest) == {"round": 1, "n": 3, "correct": 2}


def test_a_batch_that_is_still_out_is_not_the_newest(pool: Project) -> None:
    batch(pool, {0: "class-0"})
    batch(pool, {1: "class-0", 2: "class-0"}, round_=2)
    manifest = answered(pool, {0: "class-0"}).assign(np.array([1]), label="class-1", label_round=2)
    manifest = manifest.replace(round_=2)
    assert hindsight.newest_batch(pool, manifest) == {"round": 2, "n": 1, "correct": 0}
    out = manifest.assign(np.array([2]), queried_round=2)
    assert hindsight.newest_batch(pool, out) == {"round": 1, "n": 1, "correct": 1}


def test_batches_of_which_nothing_is_known(pool: Project) -> None:
    assert hindsight.newest_batch(pool, manifests.read(pool.manifest)) is None
    assert hindsight.newest_batch(pool, answered(pool, {0: "class-0"})) is None  # its list is lost
    batch(pool, {0: None})
    assert hindsight.newest_batch(pool, answered(pool, {0: "class-0"})) is None


def test_what_a_check_withheld_counts_as_people_gave_it(pool: Project) -> None:
    batch(pool, {0: "class-0", 1: "class-0", 2: "class-1", 3: "class-1"})
    before = answered(pool, {0: "class-0"})
    ids = before.strings("alcli_id", np.array([1, 2, 0]))
    said = pa.table([ids, [None] * 3, ["class-1", "class-1", "class-1"], [None] * 3], schema=recording.SAID)
    after = votebook.write(pool, before, {votebook.WITHHELD: (said, np.ones(3, np.int64))})
    # Rows 1 and 2 came back and were withheld, and 2 was right; row 0 was, too, and has a label all the same.
    assert hindsight.newest_batch(pool, after) == {"round": 1, "n": 3, "correct": 2}
    assert hindsight.newest_batch(pool, before) == {"round": 1, "n": 1, "correct": 1}  # as it is after `undo`
    (pool.round_folder(1) / votebook.WITHHELD).write_bytes(b"?")
    assert hindsight.newest_batch(pool, after) is None


def test_what_was_withheld_of_another_round_does_not_count(pool: Project) -> None:
    """Round 1 was withdrawn, and its image came back with round 2, where a check withheld the answer."""
    batch(pool, {0: "class-0"})
    batch(pool, {0: "class-0"}, round_=2)
    before = manifests.read(pool.manifest).replace(round_=2)
    said = pa.table(
        [before.strings("alcli_id", np.array([0])), ["ann"], ["class-0"], [None]], schema=recording.SAID
    )
    after = votebook.write(pool, before, {votebook.WITHHELD: (said, np.array([2]))})
    assert hindsight.newest_batch(pool, after) == {"round": 2, "n": 1, "correct": 1}
    out = after.assign(np.array([1]), queried_round=2)
    assert hindsight.newest_batch(pool, out) is None


def test_a_batch_of_which_all_was_withheld_is_the_newest(pool: Project) -> None:
    batch(pool, {0: "class-0"})
    batch(pool, {1: "class-0"}, round_=2)
    before = answered(pool, {0: "class-0"}).replace(round_=2)
    ids = before.strings("alcli_id", np.array([1]))
    said = pa.table([ids, ["ann"], ["class-1"], [None]], schema=recording.SAID)
    after = votebook.write(pool, before, {votebook.WITHHELD: (said, np.array([2]))})
    assert hindsight.newest_batch(pool, after) == {"round": 2, "n": 1, "correct": 0}
    assert hindsight.newest_batch(pool, before) == {"round": 1, "n": 1, "correct": 1}  # round 2 was withdrawn
