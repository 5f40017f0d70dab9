"""The contact sheet: what is shown of each image of the newest round, and what must not be."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from alcli import ledger
from alcli.choosing.source import Source
from alcli.main import app
from alcli.project import Project
from alcli.reporting import sheet
from alcli.reporting.links import Links
from alcli.reporting.newest import Newest, Withheld, histogram
from alcli.reporting.page import Sheet
from typer.testing import CliRunner

Build = Callable[..., Project]
RANDOM = np.random.default_rng(0)
POINTS = RANDOM.normal(size=(40, 4)).astype(np.float16)
PROBABILITIES = RANDOM.dirichlet(np.ones(3), 40)


def alcli(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def project(scored_pool: Build) -> Project:
    return scored_pool(
        PROBABILITIES, signals={"embeddings": POINTS}, labels={0: "class-0", 1: "class-1", 2: "class-2"}
    )


def laid_out(project: Project, limit: int = 100) -> Sheet:
    manifest = ledger.read(project)
    latest = Newest.of(project, manifest)
    assert latest is not None
    withheld = Withheld.of(project, manifest)
    links = Links(project.pool, project.pool / "report.html")
    return sheet.lay_out(Source.of(project, manifest), latest, withheld, links, limit=limit)


def recorded(project: Project, number: int = 1) -> list[dict[str, str]]:
    with (project.round_folder(number) / "selection.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def answer(project: Project, names: Iterable[str], tmp_path: Path) -> None:
    rows = "".join(f"{name},class-1\n" for name in names)
    (tmp_path / "labels.csv").write_text(f"file_name,label\n{rows}")
    alcli("import-labels", tmp_path / "labels.csv", project.pool)


def test_cards_say_what_was_recorded(project: Project) -> None:
    alcli("select", "-k", 6, project.pool)
    found = laid_out(project)
    rows = recorded(project)
    assert found.round == 1
    assert found.about == "6 of 37 queryable images by margin"
    assert [card.file_name for card in found.cards] == [row["file_name"] for row in rows]
    assert [card.rank for card in found.cards] == [1, 2, 3, 4, 5, 6]
    assert [card.score for card in found.cards] == pytest.approx([float(row["score"]) for row in rows])
    assert [card.predicted for card in found.cards] == [row["predicted_label"] for row in rows]
    assert [card.confidence for card in found.cards] == pytest.approx(
        [float(row["confidence"]) for row in rows]
    )
    assert {(card.reason, card.label, card.thumbnail) for card in found.cards} == {("rank", None, "")}
    assert found.cards[0].link == found.cards[0].file_name


def test_only_so_many_cards(project: Project) -> None:
    alcli("select", "-k", 6, project.pool)
    found = laid_out(project, limit=4)
    assert ([card.rank for card in found.cards], found.omitted) == ([1, 2, 3, 4], 2)
    assert (list(laid_out(project, limit=0).cards), laid_out(project, limit=0).omitted) == ([], 6)


def test_labels_that_came_back(project: Project, tmp_path: Path) -> None:
    alcli("select", "-k", 4, project.pool)
    first = recorded(project)[0]["file_name"]
    answer(project, [first], tmp_path)
    assert [card.label for card in laid_out(project).cards] == ["class-1", None, None, None]


@pytest.mark.parametrize("strategy", ["margin", "random"])  # one records the neighbour, the other may not
def test_the_nearest_labelled_image_is_that_of_the_time_of_selection(
    project: Project, tmp_path: Path, strategy: str
) -> None:
    alcli("select", "-s", strategy, "-k", 5, project.pool)
    rows = [int(row["file_name"][4:8]) for row in recorded(project)]
    points = POINTS.astype(np.float64)
    distances = ((points[rows][:, None] - points[None, :3]) ** 2).sum(axis=2)
    nearest = [f"img-000{row}.jpg" for row in distances.argmin(axis=1)]
    assert [card.nearest for card in laid_out(project).cards] == nearest
    answer(project, [f"img-{row:04d}.jpg" for row in rows], tmp_path)
    found = laid_out(project)
    assert [card.nearest for card in found.cards] == nearest
    assert {name: card.label for name, card in found.neighbours.items()} == {
        name: f"class-{int(name[4:8])}" for name in nearest
    }


def test_no_neighbour_without_embeddings(scored_pool: Build) -> None:
    project = scored_pool(PROBABILITIES, labels={0: "class-0"})
    alcli("select", "-k", 3, project.pool)
    found = laid_out(project)
    assert {card.nearest for card in found.cards} == {None}
    assert found.neighbours == {}


def test_an_audit_shows_no_guess_before_the_answer(project: Project, tmp_path: Path) -> None:
    alcli("select", "-k", 8, "--audit", "50%", project.pool)
    before = laid_out(project)
    audit = [card for card in before.cards if card.reason == "audit"]
    assert len(audit) == 4
    assert {(card.predicted, card.confidence, card.score) for card in audit} == {(None, None, None)}
    assert {card.nearest for card in audit} == {None}  # its label would be a guess, too
    assert all(card.nearest for card in before.cards if card.reason != "audit")
    assert all(card.predicted for card in before.cards if card.reason != "audit")
    assert "4 of them drawn at random for the audit" in before.about
    answer(project, [audit[0].file_name], tmp_path)
    after = {card.file_name: card for card in laid_out(project).cards}
    guess = PROBABILITIES[int(audit[0].file_name[4:8])].argmax()
    assert after[audit[0].file_name].predicted == f"class-{guess}"
    assert after[audit[0].file_name].nearest
    assert (after[audit[1].file_name].predicted, after[audit[1].file_name].nearest) == (None, None)


def test_a_blind_round_stays_blind(project: Project, tmp_path: Path) -> None:
    alcli("select", "-k", 4, "--blind", "--audit", "50%", project.pool)
    names = [row["file_name"] for row in recorded(project)]
    for answered in ([], names):
        if answered:
            answer(project, answered, tmp_path)
        found = laid_out(project)
        assert {(card.predicted, card.confidence, card.nearest) for card in found.cards} == {(None,) * 3}
        assert "without the model's guesses" in found.about


def test_whose_predictions_are_withheld(project: Project, tmp_path: Path) -> None:
    """Of two open rounds, one blind and one with an audit, those that have no answer yet."""
    alcli("select", "-k", 3, "--blind", project.pool)
    alcli("select", "-k", 4, "--audit", "50%", "--add", project.pool)
    blind = [row["file_name"] for row in recorded(project, 1)]
    audit = [row["file_name"] for row in recorded(project, 2) if row["reason"] == "audit"]

    def withheld() -> set[str | None]:
        manifest = ledger.read(project)
        hidden = Withheld.of(project, manifest).guesses
        return set(manifest.strings("file_name", np.flatnonzero(hidden)))

    assert withheld() == {*blind, *audit}
    answer(project, [blind[0], audit[0]], tmp_path)
    assert withheld() == {*blind[1:], audit[1]}
    shutil.rmtree(project.round_folder(2))
    others = [row for row in ledger.read(project).strings("file_name") if row not in blind]
    assert {*blind[1:], audit[1]} < withheld()
    assert len(withheld() & set(others)) == 3  # nobody knows any more which of these were the audit's


def test_duplicates_have_their_own_cards(scored_pool: Build) -> None:
    points = np.repeat(np.eye(4, dtype=np.float16), 10, axis=0)  # four groups of ten
    project = scored_pool(PROBABILITIES, signals={"embeddings": points})
    alcli("select", "-k", 4, "--dedup", project.pool)
    found = laid_out(project)
    listed = [json.loads(row["duplicates"]) for row in recorded(project)]
    assert [list(card.duplicates) for card in found.cards] == listed
    assert set(found.neighbours) == {name for names in listed for name in names}
    assert "36 passed over as duplicates of others" in found.about


def test_of_very_many_duplicates_the_first_are_shown(scored_pool: Build) -> None:
    points = np.ones((40, 2), np.float16)
    project = scored_pool(PROBABILITIES, signals={"embeddings": points})
    alcli("select", "-k", 4, "--dedup", project.pool)
    found = laid_out(project)
    assert [len(card.duplicates) for card in found.cards] == [10]
    assert found.about.endswith("at most 10 duplicates of an image are shown")


def test_of_a_deleted_round_the_images_are_known(project: Project) -> None:
    alcli("select", "-k", 3, project.pool)
    names = sorted(row["file_name"] for row in recorded(project))
    shutil.rmtree(project.round_folder(1))
    found = laid_out(project)
    assert [card.file_name for card in found.cards] == names
    assert {(card.rank, card.score, card.predicted) for card in found.cards} == {(None, None, None)}
    assert found.about == "3 images; the record of the round was deleted"


def test_no_round(project: Project) -> None:
    assert Newest.of(project, ledger.read(project)) is None


def test_the_histogram_is_the_recorded_one() -> None:
    kept = {"edges": [0.0, 0.5, 1.0], "counts": [7, 3], "selected": [0, 2], "cut": 0.75}
    about = {"strategy": "margin", "statistics": {"histogram": kept}}
    table = None
    found = histogram(Newest(4, about, table, np.empty(0, np.int64)))  # type: ignore[arg-type]
    assert found is not None
    assert (found.edges, found.counts, found.selected, found.cut) == tuple(kept.values())
    assert found.about == "scores by margin of 10 images in round 4"
    for nothing in ({}, {"statistics": None}, {"statistics": {"histogram": None}}):
        assert histogram(Newest(4, nothing, table, np.empty(0, np.int64))) is None  # type: ignore[arg-type]
