"""Auditing labels: wrong ones are found, by judges that had not seen them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from alcli import auditing, ledger
from alcli import manifest as manifests
from alcli.auditing import Method, findings
from alcli.errors import InputRejected, StepMissing, UsageError
from alcli.project import Project
from alcli.quality import crossfit
from alcli.reporting.overview import overview
from cleanlab.filter import find_label_issues

from tests.digit_pools import Digits, N

Build = Callable[..., Digits]
Snapshot = Callable[[Path], dict[str, bytes]]


def rows_of(report: auditing.AuditReport) -> np.ndarray:
    return np.array([int(name[4:8]) for name in report.table["file_name"].to_pylist()], np.int64)


@pytest.mark.parametrize("method", auditing.METHODS)
def test_wrong_labels_are_found(digits: Build, method: Method) -> None:
    pool = digits(0.2)
    report = auditing.audit(pool.project, method)
    found = np.zeros(N, np.bool_)
    found[rows_of(report)] = True
    # By chance, 20 % of any suspects would be wrong.
    assert (found & pool.wrong).sum() / found.sum() > 0.6
    assert (found & pool.wrong).sum() / pool.wrong.sum() > 0.8
    assert report.labels == N
    assert report.suspects == found.sum() == sum(n for name, n in report.decisions.items() if name != "keep")
    assert report.errors.overall.low < pool.wrong.mean() < report.errors.overall.high + 0.05


def test_confident_learning_finds_what_cleanlab_finds_of_the_same_probabilities(digits: Build) -> None:
    pool = digits(0.2)
    manifest = ledger.read(pool.project)
    codes, keys = manifest.label_codes.astype(np.int64), manifest.keys
    beliefs = crossfit.probabilities(pool.embeddings, codes, 10, keys=keys)
    beliefs = (beliefs + crossfit.neighbour_probabilities(pool.embeddings, codes, 10, keys=keys)) / 2
    report = auditing.audit(pool.project)
    expected = np.flatnonzero(find_label_issues(codes, beliefs, n_jobs=1))
    assert sorted(rows_of(report)) == expected.tolist()
    own, others = beliefs[np.arange(N), codes], beliefs.copy()
    others[np.arange(N), codes] = 0
    suspicion = (1 + others.max(axis=1) - own) / 2
    assert report.table["suspicion"].to_pylist() == pytest.approx(sorted(suspicion[expected])[::-1], abs=1e-6)
    assert set(report.table["decision"].to_pylist()) == {"ask"}


@pytest.mark.parametrize("method", auditing.METHODS)
def test_what_counts_as_wrong_is_what_cleanlab_counts_whatever_the_method(
    digits: Build, method: Method
) -> None:
    pool = digits(0.2)
    evidence = auditing.gather(pool.project, ledger.read(pool.project), np.arange(N))
    expected = find_label_issues(evidence.codes, evidence.belief, filter_by="confident_learning", n_jobs=1)
    assert (expected != find_label_issues(evidence.codes, evidence.belief, n_jobs=1)).any()
    assert findings.judge(evidence, method).errors.tolist() == expected.tolist()
    assert auditing.audit(pool.project, method).errors.overall.wrong == expected.sum()


def test_relabelled_ones_are_mostly_right(digits: Build) -> None:
    pool = digits(0.2)
    table = auditing.audit(pool.project, "rad-voting").table.to_pylist()
    relabelled = [row for row in table if row["decision"] == "relabel"]
    right = [
        row["suggested_label"] == f"class-{pool.truth[int(row['file_name'][4:8])]}" for row in relabelled
    ]
    assert np.mean(right) > 0.9
    for row in relabelled:
        assert row["suggested_label"] == row["label_model_guess"] == row["classifier_guess"] != row["label"]


def test_the_network_judges_what_it_has_not_learned(digits: Build) -> None:
    pool = digits(0.2)
    pool.learned(np.arange(0, N, 2))
    manifest = ledger.read(pool.project)
    evidence = auditing.gather(pool.project, manifest, np.arange(N))
    assert evidence.network.tolist() == [row % 2 == 1 for row in range(N)]
    np.testing.assert_allclose(evidence.classifier[1::2], pool.probabilities[1::2].astype(np.float32))
    nearest = crossfit.neighbour_probabilities(pool.embeddings, manifest.label_codes, 10, keys=manifest.keys)
    np.testing.assert_array_equal(evidence.classifier[::2], nearest[::2])
    assert auditing.audit(pool.project).network == N // 2


def test_nobody_knows_what_an_old_model_learned(digits: Build) -> None:
    assert auditing.audit(digits(0.2).project).network == 0


def test_embeddings_that_may_repeat_wrong_labels_are_told_of(
    digits: Build, caplog: pytest.LogCaptureFixture
) -> None:
    pool = digits(0.1)
    pool.learned(np.arange(N), frozen=True)
    auditing.audit(pool.project)
    assert not caplog.records
    pool.learned(np.arange(N), frozen=False)
    auditing.audit(pool.project)
    assert "its embeddings repeat wrong ones" in caplog.text


def test_a_budget_limits_the_questions(digits: Build) -> None:
    pool = digits(0.2)
    report = auditing.audit(pool.project, "rad-slim", budget=7)
    free = auditing.audit(pool.project, "rad-slim")
    assert report.decisions["ask"] == 7
    assert report.decisions["drop"] == free.decisions["ask"] - 7
    assert rows_of(report).tolist() == rows_of(free).tolist()
    # Asked are those of which C is the least sure.
    evidence = auditing.gather(pool.project, ledger.read(pool.project), np.arange(N))
    sureness = evidence.classifier.max(axis=1)[rows_of(report)]
    asked = np.array(report.table["decision"].to_pylist()) == "ask"
    assert sureness[asked].max() <= sureness[~asked].min()
    confident = auditing.audit(pool.project, budget=3).table["decision"].to_pylist()
    assert confident[:3] == ["ask"] * 3
    assert set(confident[3:]) == {"drop"}


def test_the_audit_is_recorded_once_and_the_manifest_stays(digits: Build) -> None:
    pool = digits(0.2)
    before = pool.project.manifest.read_bytes()
    report = auditing.audit(pool.project)
    again = auditing.audit(pool.project)
    assert report.path == again.path == pool.project.audits / "0001" / "suspects.csv"
    assert auditing.audit(pool.project, seed=1).path.parent.name == "0002"
    assert pool.project.manifest.read_bytes() == before
    with report.path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == report.table.column_names
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, report.suspects + 1)]
    about = json.loads((report.path.parent / "audit.json").read_text())
    assert about["errors"]["overall"]["wrong"] == report.errors.overall.wrong
    assert about["request"]["method"] == "confident-learning"
    lines = [json.loads(line) for line in pool.project.journal.read_text().splitlines()]
    assert [line["audit"] for line in lines if line["command"] == "audit"] == [1, 2]


def test_a_report_shows_the_newest_audit(digits: Build) -> None:
    pool = digits(0.2)
    assert not any("audit" in name for name, _ in overview(pool.project, None).facts)
    report = auditing.audit(pool.project, "rad")
    facts = dict(overview(pool.project, None).facts)
    assert facts["label audit 1"].startswith(
        f"{report.suspects} of {N} labels suspect by rad, estimated error rate"
    )
    with ledger.writing(pool.project, "test"):
        ledger.commit(
            pool.project, ledger.read(pool.project).assign(np.array([0]), label=None), command="test"
        )
    assert dict(overview(pool.project, None).facts)["label audit 1"].endswith(
        "the manifest has changed since"
    )


def test_only_the_train_split_unless_asked(digits: Build) -> None:
    pool = digits(0.2, splits=dict.fromkeys(range(100), "val") | dict.fromkeys(range(100, 150), "test"))
    assert auditing.audit(pool.project).labels == N - 150
    assert auditing.audit(pool.project, include_val=True).labels == N - 50


def test_all_labels_can_be_listed(digits: Build) -> None:
    pool = digits(0.2)
    report = auditing.audit(pool.project, everything=True)
    assert report.table.num_rows == N
    assert report.table["decision"].to_pylist().count("keep") == N - report.suspects
    assert np.diff(report.table["suspicion"].to_numpy()).max() <= 0


def test_errors_are_told_by_class_and_annotator(digits: Build) -> None:
    pool = digits(0)
    manifest = ledger.read(pool.project)
    who = np.where(np.arange(N) % 5 == 0, "eve", "ann, bob").astype(object)
    labels = np.array(manifest.strings("label"), object)
    rng = np.random.default_rng(0)
    flipped = (np.arange(N) % 5 == 0) & (rng.random(N) < 0.6)
    labels[flipped] = [f"class-{(code + 1) % 10}" for code in pool.truth[flipped]]
    changed = manifest.replace(annotator=who, label=labels, agreement=np.where(who == "eve", None, 1.0))
    with ledger.writing(pool.project, "test"):
        ledger.commit(pool.project, changed, command="test")
    errors = auditing.audit(pool.project).errors
    assert list(errors.by_annotator) == ["ann", "bob", "eve"]
    assert errors.by_annotator["eve"].low > 0.2
    assert errors.by_annotator["ann"] == errors.by_annotator["bob"]
    assert errors.by_annotator["ann"].high < 0.1
    assert sum(rate.n for rate in errors.by_class.values()) == N
    assert sum(rate.wrong for rate in errors.by_class.values()) == errors.overall.wrong
    assert "annotator eve" in errors.told()[1]


# What cannot be judged.


def test_a_class_of_one_image_is_named(digits: Build) -> None:
    pool = digits(0)
    rows = np.flatnonzero(pool.truth == 3)[1:]
    manifest = ledger.read(pool.project)
    with ledger.writing(pool.project, "test"):
        ledger.commit(pool.project, manifest.assign(rows, label=None), command="test")
    with pytest.raises(InputRejected, match="1 classes have one labelled image") as rejected:
        auditing.audit(pool.project)
    assert rejected.value.details == ["class-3"]
    assert not pool.project.audits.exists()


@pytest.mark.parametrize("count", [0, 2])
def test_one_class_or_none_cannot_be_judged(digits: Build, count: int) -> None:
    pool = digits(0)
    kept = np.flatnonzero(pool.truth == 3)[:count]
    manifest = ledger.read(pool.project)
    changed = manifest.assign(np.setdiff1d(np.arange(N), kept), label=None)
    with ledger.writing(pool.project, "test"):
        ledger.commit(pool.project, changed, command="test")
    with pytest.raises(InputRejected, match="judging labels takes two classes"):
        auditing.audit(pool.project)


def test_without_a_model_the_next_step_is_named(digits: Build) -> None:
    pool = digits(0)
    for path in sorted(pool.project.models.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(StepMissing) as missing:
        auditing.audit(pool.project)
    assert "alcli train" in str(missing.value.hint)


def test_images_without_signals_are_named(digits: Build) -> None:
    pool = digits(0)
    manifest = ledger.read(pool.project)
    with ledger.writing(pool.project, "test"):  # its file has changed since it was scored
        changed = manifest.assign(np.array([7]), size=101)
        ledger.commit(pool.project, changed, command="test")
    with pytest.raises(StepMissing, match="1 of the 300 images") as missing:
        auditing.audit(pool.project)
    assert missing.value.details == ["img-0007.jpg"]
    assert "alcli score" in str(missing.value.hint)


def test_a_model_without_embeddings(scored_pool: Callable[..., Project]) -> None:
    project = scored_pool(
        np.full((4, 2), 0.5), labels={0: "class-0", 1: "class-0", 2: "class-1", 3: "class-1"}
    )
    with pytest.raises(StepMissing, match="gives no embeddings"):
        auditing.audit(project)


def test_nobody_is_asked_by_a_method_that_asks_nobody(digits: Build) -> None:
    project = digits(0).project
    with pytest.raises(UsageError, match="asks nobody"):
        auditing.audit(project, "rad-voting", budget=3)
    with pytest.raises(UsageError, match="unknown method"):
        auditing.audit(project, "guess")  # type: ignore[arg-type]


def test_unreadable_images_are_not_judged(digits: Build) -> None:
    pool = digits(0.1)
    manifest = ledger.read(pool.project)
    with ledger.writing(pool.project, "test"):
        ledger.commit(pool.project, manifest.assign(np.array([1]), status="unreadable"), command="test")
    assert auditing.audit(pool.project).labels == N - 1
    assert len(manifests.read(pool.project.manifest)) == N
