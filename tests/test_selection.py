"""Selecting: what is chosen, what is written down, and what a second call does."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alcli import ledger, rounds, scoring, selection, summary
from alcli import manifest as manifests
from alcli.errors import InputRejected, PoolExhausted, StepMissing, UsageError
from alcli.project import Project
from alcli.request import Request
from alcli.selection import SelectionReport, Settings

Build = Callable[..., Project]

# algorithms.md A.0: margins are .50 .05 .01 .97, so margin picks rows 2, 1, 0, 3.
GOLDEN = np.array([[0.70, 0.20, 0.10], [0.40, 0.35, 0.25], [0.34, 0.33, 0.33], [0.98, 0.01, 0.01]])


PLAIN = Settings()


def random_probabilities(n: int, classes: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), n).astype(np.float32)


def select(project: Project, *, settings: Settings = PLAIN, **asked: Any) -> SelectionReport:
    return selection.select(project, Request(**asked), settings=settings)


def column(report: SelectionReport, name: str) -> list[Any]:
    return list(report.table[name].to_pylist())


def rows(report: SelectionReport) -> list[int]:
    return [int(name[4:8]) for name in column(report, "file_name")]


def folder_bytes(report: SelectionReport) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(report.path.parent.iterdir())}


def bring_back(project: Project, numbers: list[int], label: str = "class-0") -> None:
    """Play the vendor: label images by row."""
    with ledger.writing(project, "import-labels"):
        manifest = manifests.read(project.manifest)
        mask = np.isin(np.arange(len(manifest)), numbers)
        round_ = manifest.table["queried_round"].to_pylist()
        back = manifest.assign(mask, label=label, queried_round=None).assign(
            np.array(numbers), label_round=[round_[row] for row in numbers]
        )
        ledger.commit(project, back, command="import-labels")


# What is chosen


def test_the_golden_margins(scored_pool: Build) -> None:
    report = select(scored_pool(GOLDEN), k="3")
    assert rows(report) == [2, 1, 0]
    assert column(report, "score") == pytest.approx([1 - 0.01, 1 - 0.05, 1 - 0.50], abs=1e-6)
    assert column(report, "predicted_label") == ["class-0", "class-0", "class-0"]
    assert column(report, "confidence") == pytest.approx([0.34, 0.40, 0.70])
    assert column(report, "rank") == [1, 2, 3]
    assert report.table.column_names == [
        "rank", "alcli_id", "file_name", "score", "strategy", "round",
        "predicted_label", "confidence", "label", "reason", "cluster", "nearest_labelled", "duplicates",
    ]  # fmt: skip


def test_only_queryable_images_are_chosen(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(10), labels={0: "class-0"}, splits={1: "val", 2: "test"})
    with ledger.writing(project, "x"):
        manifest = manifests.read(project.manifest).assign(np.array([3, 4]), status=["skipped", "missing"])
        ledger.commit(project, manifest, command="x")
    assert sorted(rows(select(project, k="100%"))) == [5, 6, 7, 8, 9]


def test_more_than_the_pool_takes_all_and_says_so(
    scored_pool: Build, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "alcli"):
        report = select(scored_pool(GOLDEN), k="9")
    assert rows(report) == [2, 1, 0, 3]
    assert "-k 9 is more than the 4 queryable images" in caplog.text


def test_nothing_left_to_query(scored_pool: Build) -> None:
    project = scored_pool(GOLDEN)
    select(project, k="100%")
    with pytest.raises(PoolExhausted, match="4 images 0 are labelled and 4 out"):
        select(project, k="1", settings=Settings(add=True))


def test_at_most_so_many_per_class(scored_pool: Build, caplog: pytest.LogCaptureFixture) -> None:
    probabilities = random_probabilities(60)
    with caplog.at_level(logging.WARNING, "alcli"):
        report = select(scored_pool(probabilities), k="20", per_class=4)
    top2 = np.sort(probabilities, axis=1)
    order = np.argsort(top2[:, 2] - top2[:, 1], kind="stable")
    seen, expected = {0: 0, 1: 0, 2: 0}, []
    for row in order:
        code = int(probabilities[row].argmax())
        seen[code] += 1
        if seen[code] <= 4:
            expected.append(int(row))
    assert rows(report) == expected
    assert "--per-class 4 leaves 12 of 20 images" in caplog.text


def test_blind_shows_no_guess(scored_pool: Build) -> None:
    report = select(scored_pool(GOLDEN), k="2", blind=True)
    assert column(report, "predicted_label") == column(report, "confidence") == [None, None]
    assert None not in column(report, "score")


def test_what_would_tell_the_guess_is_hidden_with_it(scored_pool: Build) -> None:
    """The folder of the nearest labelled image is often called like a class, and clusters may be classes."""
    embeddings = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float16)
    labels = {10: "class-0", 11: "class-1"}
    project = scored_pool(random_probabilities(12), signals={"embeddings": embeddings}, labels=labels)
    report = select(project, k="6", strategy="kmeans", audit="50%")
    assert None not in column(report, "nearest_labelled")[:3] + column(report, "cluster")[:3]
    assert column(report, "nearest_labelled")[3:] == column(report, "cluster")[3:] == [None] * 3
    blind = select(project, k="6", strategy="kmeans", blind=True, settings=Settings(replace=True))
    assert column(blind, "nearest_labelled") == column(blind, "cluster") == [None] * 6


def test_random_needs_no_model(scored_pool: Build) -> None:
    project = scored_pool(GOLDEN)
    for path in (project.models / "0001-aaaaaa").iterdir():
        path.unlink()
    report = select(project, k="3", strategy="random")
    assert len(set(rows(report))) == 3
    assert column(report, "predicted_label") == [None] * 3
    assert json.loads((report.path.parent / rounds.RECORD).read_text())["model"] is None


def test_random_shows_what_a_model_said(scored_pool: Build) -> None:
    report = select(scored_pool(GOLDEN[:, ::-1]), k="4", strategy="random")
    assert column(report, "predicted_label") == ["class-2"] * 4


def test_a_model_with_other_classes_is_mapped_by_name(scored_pool: Build) -> None:
    project = scored_pool(GOLDEN)
    path = project.models / "0001-aaaaaa" / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "classes": ["zebra", "class-1", "class-0"]}))
    assert set(column(select(project, k="4"), "predicted_label")) == {"zebra"}


def triplet_pool(scored_pool: Build, **more: Any) -> Project:
    # Centres are (1, 0) of class-0 and (0, 1) of class-1; the classifier takes everything for class-0.
    embeddings = np.array([[1, 0], [0, 1], [0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], np.float16)
    probabilities = np.tile([0.75, 0.25], (5, 1))
    return scored_pool(
        probabilities, signals={"triplet_embeddings": embeddings}, labels={0: "class-0", 1: "class-1"}, **more
    )


def test_triplet_margin_guesses_the_nearest_centre(scored_pool: Build) -> None:
    report = select(triplet_pool(scored_pool), k="3", strategy="triplet-margin")
    assert report.order == "confident"
    assert rows(report) == [2, 3, 4]
    assert column(report, "predicted_label")[:2] == ["class-0", "class-1"]
    assert column(report, "confidence")[:2] == [0.75, 0.25]  # the classifier's own of that class
    assert (
        rows(select(triplet_pool(scored_pool, name="other"), strategy="triplet-margin", order="uncertain"))[0]
        == 4
    )


def test_held_out_labels_teach_nothing(scored_pool: Build) -> None:
    project = triplet_pool(scored_pool, splits={0: "val", 1: "test"})
    with pytest.raises(InputRejected):
        select(project, strategy="triplet-margin")


# Audit


def test_audit_rows_are_drawn_apart_and_blind(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(40))
    report = select(project, k="20", audit="25%")
    assert report.audit == 5
    assert column(report, "reason") == ["rank"] * 15 + ["audit"] * 5
    assert column(report, "score")[15:] == column(report, "predicted_label")[15:] == [None] * 5
    assert column(report, "confidence")[15:] == [None] * 5
    assert len(set(rows(report))) == 20
    hidden = json.loads((report.path.parent / rounds.RECORD).read_text())["audit"]
    assert [entry["alcli_id"] for entry in hidden] == column(report, "alcli_id")[15:]
    guesses = random_probabilities(40).argmax(axis=1)
    assert [entry["predicted_label"] for entry in hidden] == [
        f"class-{guesses[row]}" for row in rows(report)[15:]
    ]


def test_the_ranked_rows_are_the_best_of_the_rest(scored_pool: Build) -> None:
    report = select(scored_pool(random_probabilities(40)), k="20", audit="25%")
    everything = rows(select(scored_pool(random_probabilities(40), name="other"), k="100%"))
    rest = [row for row in everything if row not in rows(report)[15:]]
    assert rows(report)[:15] == rest[:15]


def test_per_class_lets_audit_rows_be(scored_pool: Build) -> None:
    report = select(scored_pool(random_probabilities(40)), k="10", audit="40%", per_class=1)
    assert column(report, "reason") == ["rank"] * 3 + ["audit"] * 4


def test_an_audit_ends_in_an_estimate(scored_pool: Build) -> None:
    project = scored_pool(GOLDEN)
    report = select(project, k="100%", audit="100%")
    assert summary.read(project)["audits"] == []
    bring_back(project, [0, 1, 2])  # all three as guessed
    (estimate,) = summary.read(project)["audits"]
    assert (estimate["n"], estimate["drawn"], estimate["correct"], estimate["model"]) == (
        3,
        4,
        3,
        "0001-aaaaaa",
    )
    assert report.audit == 4


# Rounds


def test_the_same_request_returns_the_same_bytes(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(30))
    first = select(project, k="5")
    before, files_before = project.manifest.read_bytes(), folder_bytes(first)
    again = select(project, k="5")
    assert again.repeated
    assert again.table.equals(first.table)
    assert (again.round, again.images, again.queryable) == (1, 5, 30)
    assert folder_bytes(again) == files_before
    assert project.manifest.read_bytes() == before


def test_a_round_stays_open_while_any_image_is_out(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(30))
    first = rows(select(project, k="5"))
    bring_back(project, first[:4])
    assert rows(select(project, k="5")) == first
    bring_back(project, first[4:])
    second = select(project, k="5")
    assert second.round == 2
    assert not set(rows(second)) & set(first)


def test_another_request_is_refused(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(30))
    select(project, k="5")
    before = project.manifest.read_bytes()
    for other in [
        {"k": "6"},
        {"k": "5", "seed": 1},
        {"k": "5", "strategy": "entropy"},
        {"k": "5", "audit": "10%"},
    ]:
        with pytest.raises(StepMissing, match="round 1 is open: 5 images are out") as failure:
            select(project, **other)
        assert all(word in str(failure.value.hint) for word in ("import-labels", "--add", "--replace"))
    assert project.manifest.read_bytes() == before


def test_add_selects_a_further_batch(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(30))
    first = select(project, k="5")
    second = select(project, k="7", settings=Settings(add=True))
    assert second.round == 2
    assert not set(rows(first)) & set(rows(second))
    assert rows(select(project, k="5")) == rows(first)
    assert rows(select(project, k="7")) == rows(second)
    assert manifests.read(project.manifest).open_rounds == [1, 2]
    with pytest.raises(StepMissing, match="rounds 1, 2 are open: 12 images"):
        select(project, k="8")


def test_replace_withdraws_what_is_out(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(30))
    first = rows(select(project, k="5"))
    bring_back(project, first[:1])
    report = select(project, k="6", settings=Settings(replace=True))
    assert (report.round, report.withdrawn, report.replaced) == (2, 4, [1])
    assert set(first[1:]) <= set(rows(report))
    manifest = manifests.read(project.manifest)
    assert manifest.open_rounds == [2]
    assert manifest.out.sum() == 6


def test_add_and_replace_exclude_each_other(scored_pool: Build) -> None:
    with pytest.raises(UsageError, match="--add"):
        select(scored_pool(GOLDEN), settings=Settings(add=True, replace=True))


def test_a_folder_left_by_a_killed_run_is_written_over(
    scored_pool: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = scored_pool(random_probabilities(30))
    before = project.manifest.read_bytes()
    with monkeypatch.context() as killed:
        killed.setattr(ledger, "commit", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            select(project, k="5", strategy="random", seed=3)
    assert project.manifest.read_bytes() == before
    assert project.round_folder(1).is_dir()
    report = select(project, k="5")
    assert (report.round, report.repeated) == (1, False)
    assert folder_bytes(report) == folder_bytes(
        select(scored_pool(random_probabilities(30), name="other"), k="5")
    )


def test_undo_takes_the_round_back(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(30))
    select(project, k="5")
    ledger.undo(project)
    assert select(project, k="3").round == 1


@pytest.mark.parametrize("name", [rounds.RECORD, rounds.LISTING, rounds.TABLE])
def test_a_lost_record_can_be_replaced(scored_pool: Build, name: str) -> None:
    project = scored_pool(random_probabilities(30))
    (select(project, k="5").path.parent / name).unlink()
    with pytest.raises(StepMissing, match="record of round 1"):
        select(project, k="5")
    assert select(project, k="5", settings=Settings(replace=True)).round == 2


def test_a_dry_run_writes_nothing(scored_pool: Build, snapshot: Callable[[Path], dict[str, bytes]]) -> None:
    project = scored_pool(random_probabilities(30))
    before = snapshot(project.pool)
    report = select(project, k="5", settings=Settings(dry_run=True))
    assert snapshot(project.pool) == before
    assert rows(report) == rows(select(project, k="5"))


# Repeatable


def test_neither_parts_nor_their_order_change_a_byte(scored_pool: Build) -> None:
    probabilities = random_probabilities(200)
    probabilities[50:90] = probabilities[50]  # ties
    asked = {"k": "60", "audit": "10%", "stochastic": "power"}
    plain = select(scored_pool(probabilities, name="a"), **asked)
    shuffled = np.random.default_rng(5).permutation(200)
    for number, layout in enumerate([{"per_part": 7}, {"per_part": 64, "order": shuffled}]):
        other = select(scored_pool(probabilities, name=f"b{number}", **layout), **asked)
        assert folder_bytes(other) == folder_bytes(plain)


def test_ties_go_to_the_smaller_id(scored_pool: Build) -> None:
    report = select(scored_pool(np.full((20, 2), 0.5)), k="8")
    ids = column(report, "alcli_id")
    assert ids == sorted(ids)
    assert ids == sorted(manifests.read(report.path.parents[3] / "metadata.parquet").strings("alcli_id"))[:8]


def test_an_image_scored_again_counts_as_its_last_score_says(scored_pool: Build) -> None:
    first = np.tile([0.9, 0.1], (6, 1))
    project = scored_pool(first, order=np.array([0, 1, 2, 3, 4, 5, 3]), per_part=6)
    assert len(rows(select(project, k="6"))) == 6


# Signals


def test_without_a_model_the_next_command_is_named(scored_pool: Build) -> None:
    project = scored_pool(GOLDEN)
    (project.models / "0001-aaaaaa" / "model.json").unlink()
    for asked in ({"strategy": "margin"}, {"strategy": "random", "per_class": 2}):
        with pytest.raises(StepMissing, match="none has been trained") as failure:
            select(project, k="2", **asked)
        assert "alcli train" in str(failure.value.hint)
        assert "--strategy random" in str(failure.value.hint)


def test_a_users_model_that_lacks_images_is_named(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(10), order=np.array([0, 1, 2, 5, 6, 7, 8]))
    before = project.manifest.read_bytes()
    with pytest.raises(InputRejected, match="3 images") as failure:
        select(project, k="2")
    assert failure.value.details == ["img-0003.jpg", "img-0004.jpg", "img-0009.jpg"]
    assert "score --from" in str(failure.value.hint)
    assert project.manifest.read_bytes() == before


@pytest.mark.parametrize(
    ("strategy", "kind", "command"),
    [
        ("bald", "trained", "alcli score --mc-samples 20"),
        ("bald", "external", "alcli score --from"),
        ("triplet-margin", "trained", "alcli train --embedding triplet"),
        ("triplet-margin", "external", "alcli score --from"),
    ],
)
def test_a_signal_that_score_does_not_give_unasked(
    scored_pool: Build, strategy: str, kind: str, command: str
) -> None:
    labels = {0: "class-0", 1: "class-0", 2: "class-1", 3: "class-1"}
    with pytest.raises(StepMissing, match="0001-aaaaaa") as failure:
        select(scored_pool(random_probabilities(10), labels=labels, kind=kind), strategy=strategy)
    assert command in str(failure.value.hint)


def test_training_again_is_no_advice_where_labels_are_too_few_for_triplets(scored_pool: Build) -> None:
    labels = {0: "class-0", 1: "class-0", 2: "class-1", 3: "class-1"}
    project = scored_pool(random_probabilities(10), labels=labels, splits={3: "val"}, kind="trained")
    with pytest.raises(StepMissing, match="two labelled images each to train on, and there is 1") as failure:
        select(project, strategy="triplet-margin")
    assert str(failure.value.hint).startswith("alcli select --strategy random")


def test_images_without_signals_are_scored_first(
    scored_pool: Build, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    probabilities = random_probabilities(10)
    project = scored_pool(probabilities, order=np.arange(6), kind="trained")
    whole = scored_pool(probabilities, name="whole", kind="trained")

    def score(project: Project, record: Any, **_: Any) -> None:
        """Stand in for the network: bring the parts of the pool where everything is scored."""
        for path in (whole.signals / record.id).iterdir():
            (record.signals(project) / path.name).write_bytes(path.read_bytes())

    monkeypatch.setattr(scoring, "score", score)
    with pytest.raises(StepMissing, match="4 images have no signals yet"):
        select(project, k="4", settings=Settings(dry_run=True))
    with caplog.at_level(logging.INFO, "alcli"):
        report = select(project, k="4")
    assert "scoring 4 images first" in caplog.text
    assert rows(report) == rows(select(whole, k="4"))


def test_images_that_scoring_leaves_without_signals_end_it(
    scored_pool: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "score", lambda *_, **__: None)
    with pytest.raises(StepMissing, match="4 images have no signals"):
        select(scored_pool(random_probabilities(10), order=np.arange(6), kind="trained"), k="4")


# The record


def test_the_record_says_how_it_was_chosen(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(30))
    digest = summary.read(project)["digest"]
    report = select(project, k="10%", seed=4, stochastic="softmax", beta=2.0)
    about = json.loads((report.path.parent / rounds.RECORD).read_text())
    assert about["request"]["k"] == "10%"
    assert (about["k"], about["seed"], about["model"], about["manifest"]) == (3, 4, "0001-aaaaaa", digest)
    assert about["signals"]["names"] == ["margin"]
    assert set(about["versions"]) == {"alcli", "numpy"}
    counts = {
        "images": 3,
        "audit": 0,
        "queryable": 30,
        "withdrawn": 0,
        "duplicates": 0,
        "gold": 0,
        "again": 0,
    }
    assert about["counts"] == counts
    journal = project.journal.read_text().splitlines()
    assert json.loads(journal[-1])["command"] == "select"


def test_the_manifest_marks_what_is_out(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(30))
    report = select(project, k="5")
    manifest = manifests.read(project.manifest)
    assert np.flatnonzero(manifest.equals("queried_round", 1)).tolist() == sorted(rows(report))
    assert manifest.round == 1
