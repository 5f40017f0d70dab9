"""Gold rows in a selection: drawn among known labels, and not to be told from the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from alcli import files, intake, ledger, rounds, selection, stopping, summary
from alcli import manifest as manifests
from alcli.errors import StepMissing, UsageError
from alcli.project import Project
from alcli.request import Request
from alcli.selection import SelectionReport, Settings, planting

Build = Callable[..., Project]
N = 60


@pytest.fixture
def pool(scored_pool: Build) -> Project:
    """Sixty images; thirty are labelled, two of these in val."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), N)
    embeddings = np.random.default_rng(1).normal(size=(N, 4)).astype(np.float16)
    labels = {row: f"class-{row % 3}" for row in range(30)}
    return scored_pool(
        probabilities, signals={"embeddings": embeddings}, labels=labels, splits={0: "val", 1: "val"}
    )


def ask(project: Project, *, settings: Settings = selection.DEFAULTS, **request: Any) -> SelectionReport:
    return selection.select(project, Request(**{"k": "10", "gold": "30%", **request}), settings=settings)


def facts(project: Project, number: int = 1) -> list[dict[str, Any]]:
    return list(rounds.read(project, number).table.to_pylist())


def test_gold_rows_come_beside_k_and_their_labels_are_on_record(pool: Project) -> None:
    before = manifests.read(pool.manifest)
    report = ask(pool)
    assert (report.images, report.gold, len(report.table)) == (10, 3, 13)
    known = dict(zip(before.strings("alcli_id"), before.strings("label"), strict=True))
    planted = pq.read_table(pool.round_folder(1) / rounds.GOLD).to_pylist()
    assert len(planted) == 3
    for row in planted:
        assert row["label"] == known[row["alcli_id"]] is not None
    assert {row["alcli_id"] for row in facts(pool) if row["reason"] == rounds.PLANTED} == {
        row["alcli_id"] for row in planted
    }
    after = manifests.read(pool.manifest)
    assert after.strings("label") == before.strings("label")
    assert int((after.out & after.labelled).sum()) == 3
    assert after.equals("split", "train")[after.out].all()


def test_nothing_but_the_image_is_told(pool: Project) -> None:
    """What a vendor gets has the same cells filled in every row, whatever the strategy knows."""
    ask(pool, strategy="typiclust", audit="20%")
    told = {"rank", "alcli_id", "file_name", "round"}
    for row in ask(pool, strategy="typiclust", audit="20%").table.to_pylist():
        assert {name for name, cell in row.items() if cell is not None} == told
    listing = (pool.round_folder(1) / rounds.LISTING).read_text().splitlines()
    assert len(listing) == 14
    for line in listing[1:]:
        filled = [bool(cell) for cell in line.split(",")]
        assert filled == [name in told for name in rounds.COLUMNS.names]
    known = [row for row in facts(pool) if row["reason"] != rounds.PLANTED]
    assert all(row["strategy"] == "typiclust" for row in facts(pool))
    assert [row["reason"] for row in known].count("audit") == 2
    assert any(row["score"] is not None for row in known)


def test_the_others_keep_their_order_and_ranks_count_through(pool: Project, scored_pool: Build) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), N)
    labels = {row: f"class-{row % 3}" for row in range(30)}
    plain = scored_pool(probabilities, labels=labels, splits={0: "val", 1: "val"}, name="plain")
    ask(pool)
    alone = [row["file_name"] for row in ask(plain, gold="0%").table.to_pylist()]
    rows = facts(pool)
    assert [row["rank"] for row in rows] == list(range(1, 14))
    assert [row["file_name"] for row in rows if row["reason"] != rounds.PLANTED] == alone


def test_places_are_spread_over_all_ranks(pool: Project) -> None:
    """Over 400 seeds each of 13 ranks holds 3/13 of the gold rows, give or take 4 standard deviations."""
    manifest = manifests.read(pool.manifest)
    counts = np.zeros(13)
    for seed in range(400):
        gold = planting.plant(pool, manifest, Request(gold="30%", seed=seed), np.arange(30, 40), 1)
        counts[gold.places] += 1
        assert len(set(gold.rows.tolist())) == 3
    assert counts.sum() == 1200
    assert np.abs(counts - 1200 / 13).max() < 4 * np.sqrt(400 * 3 / 13 * 10 / 13)


def test_the_draw_follows_the_seed_and_the_round(pool: Project) -> None:
    dry = Settings(dry_run=True)
    once, again, other = (
        ask(pool, seed=seed, settings=dry).table["alcli_id"].to_pylist() for seed in (3, 3, 4)
    )
    assert once == again != other


def test_the_same_call_returns_the_same_bytes(pool: Project, snapshot: Callable[..., Any]) -> None:
    first = ask(pool)
    before = snapshot(pool.state)
    second = ask(pool)
    assert second.repeated
    assert (second.gold, second.images) == (3, 10)
    assert second.table.equals(first.table)
    assert snapshot(pool.state) == before
    with pytest.raises(StepMissing, match="another request"):
        ask(pool, gold="20%")


def test_blind_is_implied(pool: Project) -> None:
    ask(pool)
    assert ask(pool, blind=True).repeated
    assert rounds.read(pool, 1).request["blind"]


def test_counts_leave_gold_rows_out(pool: Project, scored_pool: Build) -> None:
    """What looks back at a round sees the images that it chose: k, the audit, and the stopping statistics."""
    ask(pool, audit="20%")
    about = rounds.about(pool, 1)
    assert about["counts"] == {
        "images": 10, "audit": 2, "queryable": 30, "withdrawn": 0, "duplicates": 0, "gold": 3, "again": 0,
    }  # fmt: skip
    plain = scored_pool(
        np.random.default_rng(0).dirichlet(np.ones(3), N),
        labels={row: f"class-{row % 3}" for row in range(30)},
        splits={0: "val", 1: "val"},
        name="plain",
    )
    ask(plain, audit="20%", gold="0%")
    assert stopping.recorded(pool, 1) == stopping.recorded(plain, 1)
    counts = summary.read(pool)
    assert (counts["out"], counts["queryable"], counts["rounds_out"]) == (13, 20, {"1": 13})


def test_rows_that_are_out_are_not_drawn_again(pool: Project) -> None:
    ask(pool, gold="100%")
    ask(pool, gold="100%", settings=Settings(add=True))
    first, second = (
        set(pq.read_table(pool.round_folder(n) / rounds.GOLD)["alcli_id"].to_pylist()) for n in (1, 2)
    )
    assert len(first) == len(second) == 10
    assert not first & second


def test_replace_withdraws_gold_rows_too(pool: Project) -> None:
    ask(pool)
    report = ask(pool, k="5", gold="20%", settings=Settings(replace=True))
    assert (report.withdrawn, report.gold) == (13, 1)
    assert int(manifests.read(pool.manifest).out.sum()) == 6


def test_fewer_than_asked_for_are_taken_and_it_is_said(
    scored_pool: Build, caplog: pytest.LogCaptureFixture
) -> None:
    pool = scored_pool(np.full((30, 2), 0.5), labels={0: "class-0", 1: "class-1"})
    report = ask(pool, gold="50%")
    assert (report.images, report.gold) == (10, 2)
    assert "--gold 50% asks for 5 images; 2 can be gold rows" in caplog.text


def test_without_any_label_there_is_no_gold(scored_pool: Build, snapshot: Callable[..., Any]) -> None:
    pool = scored_pool(np.full((30, 2), 0.5), labels={0: "class-0"}, splits={0: "val"})
    before = snapshot(pool.state)
    with pytest.raises(StepMissing, match="none to train on is labelled") as found:
        ask(pool)
    assert "import-labels" in str(found.value.hint)
    assert snapshot(pool.state) == before


def test_a_folder_that_names_the_class_gives_the_label_away(project: Project) -> None:
    """The labels of class folders are never gold: the vendor sees the paths."""
    intake.take_in(project, intake.Request())
    with pytest.raises(StepMissing, match="a folder that has the name of its class"):
        ask(project, strategy="random")
    manifest = manifests.read(project.manifest)
    rows = np.flatnonzero(~manifest.labelled)[:4]
    with ledger.writing(project, "test"):
        ledger.commit(project, manifest.assign(rows, label="dark", label_source="import:csv"), command="test")
    report = ask(project, strategy="random")
    assert report.gold == 3
    assert all(name.startswith("unlabelled/") for name in report.table["file_name"].to_pylist())


@pytest.mark.parametrize("share", ["101%", "-1%", "5", "x"])
def test_a_share_is_a_share(share: str) -> None:
    with pytest.raises(UsageError, match="--gold"):
        Request(gold=share)


def test_a_round_recorded_by_an_earlier_version_is_still_repeated(pool: Project) -> None:
    ask(pool, gold="0%")
    path = pool.round_folder(1) / rounds.RECORD
    about = files.read_json(path)
    for name in ("gold", "relabel"):
        del about["request"][name]
    for name in ("gold", "again"):
        del about["counts"][name]
    files.write_json(path, about)
    assert ask(pool, gold="0%").repeated
