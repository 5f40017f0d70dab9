"""`select --relabel`: labelled images worth another label, in one list with unlabelled ones."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alcli import labelling, rounds, selection, votebook
from alcli import manifest as manifests
from alcli.errors import PoolExhausted, StepMissing, UsageError
from alcli.labelling import Rules
from alcli.main import app
from alcli.project import Project
from alcli.quality import crossfit
from alcli.request import Request
from alcli.selection import SelectionReport, Settings
from typer.testing import CliRunner

Build = Callable[..., Project]
N, LABELLED, WRONG = 80, 40, (3, 17)


def embeddings() -> np.ndarray:
    """Two groups of images, far apart: even rows and odd rows."""
    rng = np.random.default_rng(0)
    return (np.arange(N)[:, None] % 2 * 8 + rng.normal(size=(N, 4))).astype(np.float16)


@pytest.fixture
def pool(scored_pool: Build) -> Project:
    """Forty labelled images, two of them wrongly, and forty that the model is sure of, but for row 50."""
    probabilities = np.where(np.arange(N)[:, None] % 2 == [0, 1], 0.95, 0.05)
    probabilities[50] = 0.5
    labels = {row: f"class-{(row + (row in WRONG)) % 2}" for row in range(LABELLED)}
    return scored_pool(probabilities, signals={"embeddings": embeddings()}, labels=labels)


def ask(project: Project, *, settings: Settings = selection.DEFAULTS, **request: Any) -> SelectionReport:
    asked = {"strategy": "activelab", "k": "3", "relabel": True, **request}
    return selection.select(project, Request(**asked), settings=settings)


def rows_of(report: SelectionReport) -> list[int]:
    return [int(name[4:8]) for name in report.table["file_name"].to_pylist()]


def test_wrong_labels_and_unsure_images_come_first(pool: Project) -> None:
    report = ask(pool)
    assert set(rows_of(report)) == {*WRONG, 50}
    assert report.again == 2
    by_row = dict(zip(rows_of(report), report.table.to_pylist(), strict=True))
    assert {row: entry["reason"] for row, entry in by_row.items()} == {
        3: rounds.AGAIN,
        17: rounds.AGAIN,
        50: "rank",
    }


def test_scores_are_those_of_the_formula_on_out_of_sample_probabilities(pool: Project) -> None:
    """All rows have one answer, so all weights are 1: s = (2q + 1/2) / 3, and (max p + 1/2) / 2 for row 50."""
    manifest = manifests.read(pool.manifest)
    keys, codes = manifest.keys[:LABELLED], manifest.label_codes[:LABELLED]
    judged = crossfit.probabilities(embeddings()[:LABELLED], codes, 2, keys=keys)
    report = ask(pool)
    found = dict(zip(rows_of(report), report.table["score"].to_pylist(), strict=True))
    for row in WRONG:
        assert found[row] == pytest.approx(1 - (2 * judged[row, codes[row]] + 0.5) / 3, rel=1e-6)
    assert found[50] == pytest.approx(1 - (0.5 + 0.5) / 2)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_the_list_hides_what_the_old_label_was(pool: Project) -> None:
    for row in ask(pool).table.to_pylist():
        if row["reason"] == rounds.AGAIN:
            assert (row["predicted_label"], row["confidence"], row["label"]) == (None, None, None)


def test_the_old_label_stays_until_the_answer_comes(pool: Project) -> None:
    before = manifests.read(pool.manifest)
    ask(pool)
    after = manifests.read(pool.manifest)
    assert after.strings("label") == before.strings("label")
    assert after.strings("label_source") == before.strings("label_source")
    assert np.flatnonzero(after.out).tolist() == [*WRONG, 50]
    assert rounds.about(pool, 1)["counts"]["again"] == 2
    assert ask(pool).repeated
    assert ask(pool).again == 2


def test_images_that_are_out_are_not_sent_twice(pool: Project) -> None:
    ask(pool)
    assert not {*WRONG, 50} & set(rows_of(ask(pool, k="77", settings=Settings(add=True))))
    with pytest.raises(PoolExhausted):
        ask(pool, settings=Settings(add=True))


def answers(folder: Path, rows: list[tuple[int, str, str]]) -> Path:
    path = folder / "answers.csv"
    with path.open("w", newline="") as file:
        lines = [(f"img-{row:04d}.jpg", label, name) for row, label, name in rows]
        csv.writer(file).writerows([("file_name", "label", "annotator"), *lines])
    return path


def test_a_whole_turn_mends_the_labels(pool: Project, tmp_path: Path) -> None:
    ask(pool)
    votes = [(row, f"class-{row % 2}", name) for row in (*WRONG, 50) for name in ("ann", "bo")]
    done = labelling.import_labels(pool, answers(tmp_path, votes), rules=Rules(resolve="majority"))
    assert (done.labelled, done.replaced, done.by_round) == (1, 2, {1: 3})
    manifest = manifests.read(pool.manifest)
    assert manifest.label_codes[:LABELLED].tolist() == [row % 2 for row in range(LABELLED)]
    assert manifest.open_rounds == []
    assert votebook.read(pool, manifest)["annotator"].to_pylist().count("bo") == 3


def test_what_annotators_answered_sets_the_weights(pool: Project, tmp_path: Path) -> None:
    """With several answers an image, the options of the strategy follow from them, unless they are given."""
    votes = [(row, f"class-{row % 2}", name) for row in range(50, 70) for name in ("ann", "bo")]
    votes += [(row, "class-0", "cy") for row in range(50, 70)]
    labelling.import_labels(pool, answers(tmp_path, votes), rules=Rules(resolve="majority"))
    ask(pool, k="5")
    options = rounds.about(pool, 1)["options"]
    assert options["model_weight"] != 1
    assert 0 < options["annotator_weight"] != 1
    ask(pool, k="5", options={"model_weight": "2"}, settings=Settings(replace=True))
    assert rounds.about(pool, 2)["options"]["model_weight"] == 2


def test_an_audit_is_of_unlabelled_images(pool: Project) -> None:
    report = ask(pool, k="30", audit="50%")
    audit = [
        row
        for row, entry in zip(rows_of(report), report.table.to_pylist(), strict=True)
        if entry["reason"] == "audit"
    ]
    assert len(audit) == 15
    assert min(audit) >= LABELLED


def test_gold_rows_may_stand_among_them(pool: Project) -> None:
    report = ask(pool, k="4", gold="50%")
    assert (report.images, report.gold) == (4, 2)
    assert set(report.table["reason"].to_pylist()) == {None}
    facts = rounds.read(pool, 1).table["reason"].to_pylist()
    assert facts.count("gold") == 2


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"dedup": True}, "--dedup"),
        ({"per_class": 2}, "--per-class"),
        ({"class_balance": True}, "--class-balance"),
        ({"candidates": 5}, "--candidates"),
        ({"stochastic": "power"}, "--stochastic"),
    ],
)
def test_options_of_the_unlabelled_are_refused(more: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=f"{named} the unlabelled only"):
        Request(strategy="activelab", relabel=True, **more)


def test_other_strategies_refuse(pool: Project) -> None:
    with pytest.raises(UsageError, match="margin ranks unlabelled images only") as found:
        ask(pool, strategy="margin")
    assert "--strategy activelab" in str(found.value.hint)


def test_without_embeddings_there_is_nothing_to_judge_by(scored_pool: Build) -> None:
    pool = scored_pool(np.full((4, 2), 0.5), labels={0: "class-0"})
    with pytest.raises(StepMissing, match="judges the labels there are by embeddings") as found:
        ask(pool)
    assert "score --from" in str(found.value.hint)


def test_without_any_label_it_ranks_the_unlabelled(scored_pool: Build) -> None:
    pool = scored_pool(
        np.array([[0.9, 0.1], [0.5, 0.5], [0.7, 0.3]]), signals={"embeddings": np.zeros((3, 2), np.float16)}
    )
    assert rows_of(ask(pool)) == [1, 2, 0]


def test_the_command_line_and_its_explanation(pool: Project) -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(
            app, ["select", "-s", "activelab", "--relabel", "-k", "3", *words, str(pool.pool)]
        )

    told = run("--explain", "img-0003.jpg")
    assert "its label is worth checking" in told.stdout
    assert "images rank before it" in run("--explain", "img-0004.jpg").stdout
    done = run()
    assert done.exit_code == 0, done.stderr
    assert "round 1: 3 of 80 images by activelab, 2 of them to be labelled again" in done.stderr
    assert "its label is worth checking" in run("--explain", "img-0003.jpg").stdout
    status = CliRunner().invoke(app, ["status", str(pool.pool)])
    assert "open: 3 out" in status.stdout
