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
from alcli.quality import consensus, crossfit
from alcli.request import Request
from alcli.selection import SelectionReport, Settings
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from tests.quality.matrices import votes_of

Build = Callable[..., Project]
N, LABELLED, WRONG = 80, 40, (3, 17)
PEOPLE: dict[str, Callable[[int], int]] = {
    "ann": lambda row: row % 2,
    "bo": lambda row: row % 2,
    "cy": lambda row: int(row % 4 == 1),
}


def embeddings() -> np.ndarray:
    """Two groups of images, far apart: even rows and odd rows; row 50 belongs to neither."""
    rng = np.random.default_rng(0)
    points = np.arange(N)[:, None] % 2 * 8 + rng.normal(size=(N, 4))
    points[50] = 5.7
    return points.astype(np.float16)


def of_others(codes: np.ndarray, rows: list[int]) -> np.ndarray:
    """What a logistic regression on the embeddings of the first rows, which have these codes, thinks of `rows`."""
    regression = LogisticRegression(C=1 / (0.01 * len(codes)), max_iter=200, tol=1e-3)
    fitted = make_pipeline(StandardScaler(), regression)
    fitted.fit(embeddings()[: len(codes)].astype(np.float32), codes)
    return np.asarray(fitted.predict_proba(embeddings()[rows].astype(np.float64)))


def build(scored_pool: Build, **more: Any) -> Project:
    """Forty labelled images, two of them wrongly, and forty that the network is sure of, but for row 60."""
    probabilities = np.where(np.arange(N)[:, None] % 2 == [0, 1], 0.95, 0.05)
    probabilities[60] = 0.5
    labels = {row: f"class-{(row + (row in WRONG)) % 2}" for row in range(LABELLED)}
    return scored_pool(probabilities, signals={"embeddings": embeddings()}, labels=labels, **more)


@pytest.fixture
def pool(scored_pool: Build) -> Project:
    return build(scored_pool)


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
    """All rows have one answer, so all weights are 1: s = (2q + 1/2) / 3, and (max p + 1/2) / 2 for row 50.

    p and q are those of one kind of judge, and not of the network, which is sure of row 50.
    """
    manifest = manifests.read(pool.manifest)
    keys, codes = manifest.keys[:LABELLED], manifest.label_codes[:LABELLED]
    judged = crossfit.probabilities(embeddings()[:LABELLED], codes, 2, keys=keys)
    report = ask(pool)
    found = dict(zip(rows_of(report), report.table["score"].to_pylist(), strict=True))
    for row in WRONG:
        assert found[row] == pytest.approx(1 - (2 * judged[row, codes[row]] + 0.5) / 3, rel=1e-6)
    p = of_others(codes, [50]).max()
    assert 0.5 < p < 0.7
    assert found[50] == pytest.approx(1 - (p + 0.5) / 2, rel=1e-6)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_a_class_that_the_network_does_not_know_counts_on_both_sides(pool: Project, tmp_path: Path) -> None:
    votes = [(row, "class-9", "ann") for row in range(70, 80)]
    labelling.import_labels(pool, answers(tmp_path, votes), rules=Rules(new_classes=True))
    manifest = manifests.read(pool.manifest)
    rows = np.flatnonzero(manifest.labelled)
    codes, points = manifest.label_codes[rows], embeddings()
    judged = crossfit.probabilities(points[rows], codes, 3, keys=manifest.keys[rows])
    others = crossfit.judge_of_others(points[rows], codes, 3, keys=manifest.keys[rows])
    report = ask(pool, k="80")
    for row, score in zip(rows_of(report), report.table["score"].to_pylist(), strict=True):
        if row in rows:
            at = int(np.searchsorted(rows, row))
            assert score == pytest.approx(1 - (2 * judged[at, codes[at]] + 1 / 3) / 3, rel=1e-6)
        else:
            assert score == pytest.approx(1 - (others(points[[row]]).max() + 1 / 3) / 2, rel=1e-6)


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
    cast = [(row, f"class-{says(row)}", name) for row in range(40, 70) for name, says in PEOPLE.items()]
    labelling.import_labels(pool, answers(tmp_path, cast), rules=Rules(resolve="majority"))
    manifest = manifests.read(pool.manifest)
    codes = manifest.label_codes[:70]
    judged = crossfit.probabilities(embeddings()[:70], codes, 2, keys=manifest.keys[:70])
    matrix = np.full((70, 4), np.nan)  # where the first labels come from counts as a fourth annotator
    matrix[:40, 3] = codes[:40]
    matrix[40:, :3] = [[says(row) for says in PEOPLE.values()] for row in range(40, 70)]
    expected = consensus.opinions(votes_of(matrix), judged)
    assert expected.annotators.min() < expected.annotators.max()
    assert expected.temperature != 1
    report = ask(pool, k="80")
    assert rounds.about(pool, 1)["options"] == pytest.approx(
        {
            "model_weight": expected.model,
            "annotator_weight": expected.annotators.mean(),
            "temperature": expected.temperature,
        }
    )
    scores = dict(zip(rows_of(report), report.table["score"].to_pylist(), strict=True))
    power = of_others(codes, [75])[0] ** (1 / expected.temperature)
    weight, mean = expected.model, expected.annotators.mean()
    known = weight * power.max() / power.sum()
    assert scores[75] == pytest.approx(1 - (known + mean / 2) / (weight + mean), rel=1e-6)
    again = expected.weights + weight
    of_labels = 1 - (again * expected.quality + mean / 2) / (again + mean)
    assert [scores[row] for row in range(70)] == pytest.approx(of_labels.tolist(), rel=1e-6)
    ask(pool, k="5", options={"model_weight": "2"}, settings=Settings(replace=True))
    assert rounds.about(pool, 2)["options"]["model_weight"] == 2


def test_with_several_answers_an_image_doubtful_labels_still_come_first(
    pool: Project, tmp_path: Path
) -> None:
    """What the judge is sure of stays sure: no temperature drowns the labelled in the unlabelled."""
    doubtful = (44, 45)  # where all but cy are wrong
    cast = [
        (row, f"class-{(row + (row in doubtful and name != 'cy')) % 2}", name)
        for row in range(40, 70)
        for name in PEOPLE
    ]
    labelling.import_labels(pool, answers(tmp_path, cast), rules=Rules(resolve="majority"))
    done = CliRunner().invoke(app, ["select", "-s", "activelab", "--relabel", "-k", "4", str(pool.pool)])
    assert done.exit_code == 0, done.stderr
    assert "4 of them to be labelled again" in done.stderr
    assert set(rows_of(ask(pool, k="4"))) == {*WRONG, *doubtful}


def test_answers_about_images_that_are_held_out_weigh_nobody(scored_pool: Build, tmp_path: Path) -> None:
    found = []
    for rows in ([*range(40, 70)], [*range(40, 70), *range(74, 80)]):
        pool = build(scored_pool, splits=dict.fromkeys(range(74, 80), "val"), name=f"until-{rows[-1]}")
        cast = [(row, f"class-{says(row)}", name) for row in rows for name, says in PEOPLE.items()]
        labelling.import_labels(pool, answers(tmp_path, cast), rules=Rules(resolve="majority"))
        report = ask(pool, k="74")
        found.append((rows_of(report), report.table["score"].to_pylist(), rounds.about(pool, 1)["options"]))
    assert found[0] == found[1]


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
