"""Judging a delivery before it is taken."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alcli import labelling, ledger, votebook
from alcli import manifest as manifests
from alcli.errors import InputRejected, StepMissing, UsageError
from alcli.gold import Agreement
from alcli.labelling import Check, ImportReport, Rules, checking, merging
from alcli.quality import rates

from tests.digit_pools import Digits, N

Build = Callable[..., Digits]
Snapshot = Callable[[Path], dict[str, bytes]]
THERE = range(120)  # labelled and learned before; the rest is the delivery
SENT = range(120, N)


@pytest.fixture
def sent(digits: Build) -> Callable[..., Digits]:
    """Return a function that makes a pool whose rows 120 to 299 are out in round 1; what comes back is `given`."""

    def build(rate: float, splits: dict[int, str] | None = None) -> Digits:
        pool = digits(rate, labelled=THERE, clean=THERE, splits=splits)
        pool.learned(np.array(THERE))
        out = ledger.read(pool.project).assign(np.array(SENT), queried_round=1).replace(round_=1)
        with ledger.writing(pool.project, "select"):
            ledger.commit(pool.project, out, command="select")
        return pool

    return build


def bring(pool: Digits, check: Check | None, rows: Sequence[int] = SENT, **options: Any) -> ImportReport:
    path = pool.project.pool.parent / "returned.csv"
    with path.open("w") as file:
        file.write("file_name,label,annotator\n")
        file.writelines(
            f"img-{row:04d}.jpg,class-{pool.given[row]},{('ann', 'bob')[row % 2]}\n" for row in rows
        )
    rules = Rules(**{name: options.pop(name) for name in ("on_conflict",) if name in options})
    return labelling.import_labels(pool.project, path, rules=rules, check=check, **options)


def columns(pool: Digits, *names: str) -> list[list[Any]]:
    table = manifests.read(pool.project.manifest).table
    return [table[name].to_pylist() for name in names]


def test_all_is_taken_and_the_suspects_are_told(sent: Build, tmp_path: Path) -> None:
    pool = sent(0.2)
    check = Check("confident-learning", report=tmp_path / "quality.json", relabel_list=tmp_path / "again.csv")
    done = bring(pool, check)
    assert done.labelled == len(SENT)
    quality = done.quality
    assert quality is not None
    assert (quality.labels, quality.beside, quality.network) == (len(SENT), len(THERE), len(SENT))
    wrong = {f"img-{row:04d}.jpg" for row in SENT if pool.wrong[row]}
    found = set(quality.suspects["file_name"].to_pylist())
    assert len(found & wrong) / len(found) > 0.7
    assert len(found & wrong) / len(wrong) > 0.8
    assert quality.errors.overall.low < len(wrong) / len(SENT) < quality.errors.overall.high
    told = json.loads((tmp_path / "quality.json").read_text())
    assert told["schema"] == "alcli/quality/1"
    assert told["errors"]["by_annotator"]["ann"]["n"] == len(SENT) / 2
    assert [row["file_name"] for row in told["suspects"]] == quality.suspects["file_name"].to_pylist()
    with (tmp_path / "again.csv").open(newline="") as file:
        again = list(csv.DictReader(file))
    assert [row["file_name"] for row in again] == told["relabel"] == quality.suspects["file_name"].to_pylist()
    assert {row["label"] for row in again} == {""}  # blind
    labels, sources = columns(pool, "label", "label_source")
    assert labels == [f"class-{code}" for code in pool.given]
    assert set(sources[120:]) == {"import:csv"}


@pytest.mark.parametrize(
    ("method", "drop"), [("confident-learning", True), ("rad-voting", False), ("rad-active", True)]
)
def test_a_second_time_nothing_changes(sent: Build, snapshot: Snapshot, method: Any, drop: bool) -> None:
    pool = sent(0.2)
    check = Check(method, drop_suspects=drop, max_error="50%")
    first = bring(pool, check)
    before = snapshot(pool.project.state)
    second = bring(pool, check)
    assert first.changed
    assert not second.changed
    assert snapshot(pool.project.state) == before
    assert first.quality is not None
    assert second.quality is not None
    assert (
        dataclasses.replace(second.quality, changed=first.quality.changed).to_dict()
        == first.quality.to_dict()
    )


def test_too_many_wrong_labels_are_refused_and_nothing_changes(
    sent: Build, snapshot: Snapshot, tmp_path: Path
) -> None:
    pool = sent(0.3)
    before = snapshot(pool.project.state)
    check = Check(
        "rad", max_error="5%", report=tmp_path / "quality.json", relabel_list=tmp_path / "again.jsonl"
    )
    with pytest.raises(InputRejected, match="more than --max-error 5%; nothing was imported") as rejected:
        bring(pool, check)
    assert any("estimated error rate" in line for line in rejected.value.details)
    assert snapshot(pool.project.state) == before
    told = json.loads((tmp_path / "quality.json").read_text())
    assert told["gate"]["by"] == "confident learning"
    assert not told["gate"]["passed"]
    assert told["gate"]["low"] == told["errors"]["overall"]["low"] > 0.05
    assert len((tmp_path / "again.jsonl").read_text().splitlines()) == told["decisions"]["drop"]


def test_a_delivery_without_mistakes_passes(sent: Build) -> None:
    pool = sent(0)
    done = bring(pool, Check("confident-learning", max_error="5%"))
    assert done.labelled == len(SENT)
    assert done.quality is not None
    assert done.quality.gate is not None
    assert done.quality.gate["passed"]


def test_what_the_judges_relabel_becomes_a_pseudo_label(sent: Build) -> None:
    pool = sent(0.2)
    done = bring(pool, Check("rad-voting"))
    quality = done.quality
    assert quality is not None
    relabelled = {
        int(row["file_name"][4:8]): row
        for row in quality.suspects.to_pylist()
        if row["decision"] == "relabel"
    }
    assert quality.left_out == quality.pseudo_labelled == len(relabelled) > 10
    assert done.labelled == len(SENT) - len(relabelled)
    labels, pseudo, methods, rounds, out = columns(
        pool, "label", "pseudo_label", "pseudo_method", "pseudo_round", "queried_round"
    )
    for row in SENT:
        if row in relabelled:
            assert labels[row] is None
            assert (pseudo[row], methods[row], rounds[row]) == (
                relabelled[row]["suggested_label"],
                "rad-voting",
                1,
            )
        else:
            assert labels[row] == f"class-{pool.given[row]}"
            assert pseudo[row] is None
    assert set(out) == {None}
    right = [pseudo[row] == f"class-{pool.truth[row]}" for row in relabelled]
    assert np.mean(right) > 0.9


def test_images_held_out_take_no_pseudo_label(sent: Build) -> None:
    pool = sent(0.2, splits=dict.fromkeys(SENT, "val"))
    done = bring(pool, Check("rad-voting"))
    assert done.labelled == len(SENT)
    assert done.quality is not None
    assert done.quality.decisions["relabel"] > 10
    assert set(columns(pool, "pseudo_label")[0]) == {None}


def test_doubtful_labels_can_be_left_out(sent: Build) -> None:
    pool = sent(0.2)
    done = bring(pool, Check("rad", drop_suspects=True))
    quality = done.quality
    assert quality is not None
    assert quality.left_out == quality.decisions["drop"] == len(SENT) - done.labelled
    labels, out = columns(pool, "label", "queried_round")
    dropped = {int(name[4:8]) for name in quality.suspects["file_name"].to_pylist()}
    assert {row for row in SENT if labels[row] is None} == dropped
    assert set(out) == {None}
    assert ledger.read(pool.project).queryable.sum() == len(dropped)  # they may be sent out again


def test_a_label_that_was_there_stays_where_the_new_one_is_not_taken(sent: Build) -> None:
    pool = sent(0)
    true = int(pool.truth[3])
    pool.given[3] = (true + 1) % 10
    done = bring(pool, Check("rad-voting"), rows=[3, *SENT], on_conflict="replace")
    assert done.quality is not None
    assert done.quality.decisions["relabel"] >= 1
    labels, pseudo = columns(pool, "label", "pseudo_label")
    assert (labels[3], pseudo[3]) == (f"class-{true}", None)


def test_a_budget_limits_the_relabel_list(sent: Build) -> None:
    quality = bring(sent(0.2), Check("rad-slim", budget=5)).quality
    assert quality is not None
    assert quality.relabel.num_rows == quality.decisions["ask"] == 5
    assert quality.decisions["drop"] > 5


def test_whoever_errs_is_told(sent: Build) -> None:
    pool = sent(0)
    for row in SENT:
        if row % 2 and row % 5:  # bob errs in four of five
            pool.given[row] = (pool.truth[row] + 1 + row % 9) % 10
    quality = bring(pool, Check("confident-learning")).quality
    assert quality is not None
    assert quality.errors.by_annotator["bob"].low > 0.5
    assert quality.errors.by_annotator["ann"].high < 0.2


def test_equal_images_with_different_labels_are_told(sent: Build) -> None:
    pool = sent(0)
    one = 130
    other = next(row for row in THERE if pool.truth[row] != pool.truth[one])
    same = next(row for row in range(131, N) if pool.truth[row] == pool.truth[one])
    digests: list[str | None] = [f"{row:064x}" for row in range(N)]
    digests[other] = digests[same] = digests[one]
    digests[5], digests[6] = None, None
    there = next(row for row in range(10, 120) if pool.truth[row] != pool.truth[9])
    digests[there] = digests[9]  # both were there before: nothing that this delivery did
    with ledger.writing(pool.project, "test"):
        ledger.commit(pool.project, ledger.read(pool.project).replace(sha256=digests), command="test")
    quality = bring(pool, Check("confident-learning")).quality
    assert quality is not None
    images = [
        {"file_name": f"img-{row:04d}.jpg", "label": f"class-{pool.truth[row]}", "delivered": row in SENT}
        for row in sorted([one, other, same])
    ]
    assert quality.duplicates == [{"sha256": digests[one], "images": images}]


@pytest.mark.parametrize(
    ("answers", "right", "by", "passed"),
    [
        (29, 0, "confident learning", True),  # too few to decide
        (30, 20, "gold rows", False),
        (100, 97, "gold rows", True),
    ],
)
def test_gold_decides_where_there_is_enough(
    sent: Build, answers: int, right: int, by: str, passed: bool
) -> None:
    pool = sent(0)
    before = ledger.read(pool.project)
    outcome = merging.Merge(
        before.assign(np.array(SENT), label=np.array([f"class-{pool.given[row]}" for row in SENT], object)),
        *[np.array(SENT)],
        *[np.zeros(0, np.int64)] * 6,
    )
    agreement = [Agreement("ann", answers, right, right / answers, 0, 1)]
    _, quality = checking.judge(
        pool.project,
        before,
        outcome,
        np.array(SENT),
        votes=votebook.COLUMNS.empty_table(),
        agreement=agreement,
        check=Check("confident-learning", max_error="5%"),
    )
    assert quality.gate is not None
    assert (quality.gate["by"], quality.gate["passed"]) == (by, passed)
    assert quality.gold == rates.counted(answers, answers - right)
    assert quality.to_dict()["gold_by_annotator"][0]["annotator"] == "ann"


def test_models_that_overrule_too_much_are_told_of(
    sent: Build, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = sent(0)
    bring(pool, Check("rad-voting"))
    assert "overrules" not in caplog.text
    noise = np.random.default_rng(0).dirichlet(np.ones(10), N)  # both judges, and the same: they agree
    monkeypatch.setattr(
        "alcli.quality.crossfit.probabilities", lambda points, codes, *_, **__: noise[: len(codes)]
    )
    monkeypatch.setattr(
        "alcli.auditing.evidence._network", lambda record, store, manifest, keys: noise[120:N]
    )
    assert bring(pool, Check("rad-voting"), dry_run=True).quality is not None
    assert "rad-voting overrules" in caplog.text


def test_judges_that_contradict_most_of_what_was_there_are_told_of(
    sent: Build, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = sent(0.6)  # however wrong the delivery is: what was there is right, and the judges know it
    bring(pool, Check("confident-learning"), dry_run=True)
    assert "the judges agree" not in caplog.text
    even = np.full((N, 10), 0.1)
    even[:, 0] = 0.2  # everything is a 0 to both, as every tenth digit is
    monkeypatch.setattr(
        "alcli.quality.crossfit.probabilities", lambda points, codes, *_, **__: even[: len(codes)]
    )
    monkeypatch.setattr(
        "alcli.quality.crossfit.neighbour_probabilities", lambda points, codes, *_, **__: even[: len(codes)]
    )
    monkeypatch.setattr(
        "alcli.auditing.evidence._network", lambda record, store, manifest, keys: even[: len(keys)]
    )
    bring(pool, Check("confident-learning"), dry_run=True)
    share = round(100 * float(np.mean(pool.truth[:120] == 0)))
    assert f"the judges agree with only {share}% of the labels that were there before" in caplog.text
    assert "select --gold" in caplog.text


def test_a_dry_run_tells_and_changes_nothing(sent: Build, snapshot: Snapshot) -> None:
    pool = sent(0.2)
    before = snapshot(pool.project.state)
    done = bring(pool, Check("rad-voting"), dry_run=True)
    assert done.changed
    assert done.quality is not None
    assert snapshot(pool.project.state) == before


# What cannot be judged.


def test_a_class_of_one_image(sent: Build, snapshot: Snapshot) -> None:
    pool = sent(0)
    rows = [row for row in SENT if pool.truth[row] != 3]
    lonely = np.flatnonzero(pool.truth[:120] == 3)[1:]
    with ledger.writing(pool.project, "test"):
        ledger.commit(pool.project, ledger.read(pool.project).assign(lonely, label=None), command="test")
    before = snapshot(pool.project.state)
    with pytest.raises(InputRejected, match="class-3"):
        bring(pool, Check("rad"), rows=rows)
    assert snapshot(pool.project.state) == before


def test_images_without_signals(sent: Build, snapshot: Snapshot) -> None:
    pool = sent(0)
    with ledger.writing(pool.project, "test"):
        changed = ledger.read(pool.project).assign(np.array([150]), size=101)
        ledger.commit(pool.project, changed, command="test")
    before = snapshot(pool.project.state)
    with pytest.raises(StepMissing) as missing:
        bring(pool, Check("rad"))
    assert missing.value.details == ["img-0150.jpg"]
    assert snapshot(pool.project.state) == before


@pytest.mark.parametrize("share", ["5", "0.05", "101%", "-1%", "much"])
def test_a_limit_is_a_share(share: str) -> None:
    with pytest.raises(UsageError, match="is not a share from 0% to 100%"):
        Check("rad", max_error=share)


def test_other_contradictions() -> None:
    with pytest.raises(UsageError, match="asks nobody"):
        Check("rad", budget=3)
    with pytest.raises(UsageError, match="names no format"):
        Check("rad", relabel_list=Path("list.xyz"))
