"""What the page keeps back: whoever labels may look at it, and must learn no guess, and not which rows are gold."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from alcli import ledger
from alcli.main import app
from alcli.project import Project
from typer.testing import CliRunner

Build = Callable[..., Project]
RANDOM = np.random.default_rng(0)
POINTS = RANDOM.normal(size=(40, 4)).astype(np.float16)
PROBABILITIES = RANDOM.dirichlet(np.ones(3), 40)
LABELLED = {row: f"class-{row % 3}" for row in range(10)}
KNOWN = {f"img-{row:04d}.jpg" for row in LABELLED}


@pytest.fixture
def project(scored_pool: Build) -> Project:
    return scored_pool(PROBABILITIES, signals={"embeddings": POINTS}, labels=LABELLED)


def alcli(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout.strip()


def shown(project: Project) -> tuple[dict[str, list[Any]], dict[str, tuple[str, int]], str]:
    """Return the cards by name, kind and class of each point of the map by name, and the page's text."""
    output = project.pool.parent / "report.html"
    alcli("report", "--map", "pca", "-o", output, project.pool)
    text = output.read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found is not None
    data = json.loads(found[1])
    points = zip(data["map"]["fileNames"], data["map"]["kinds"], data["map"]["classes"], strict=True)
    cards = {card[0]: card for card in data["sheet"]["cards"]}
    return cards, {name: (kind, code) for name, kind, code in points}, text


def names(project: Project, number: int = 1) -> list[str]:
    with (project.round_folder(number) / "selection.csv").open(newline="") as file:
        return [row["file_name"] for row in csv.DictReader(file)]


def answer(project: Project, asked: Iterable[str], *, label: str = "class-1") -> None:
    path = project.pool.parent / "answers.csv"
    path.write_text("file_name,label\n" + "".join(f"{name},{label}\n" for name in asked))
    alcli("import-labels", "--on-conflict", "replace", path, project.pool)


def test_gold_rows_cannot_be_told_from_the_others(project: Project) -> None:
    alcli("select", "-k", 8, "--gold", "50%", project.pool)
    asked = names(project)
    assert len(KNOWN & {*asked}) == 4
    cards, points, text = shown(project)
    assert list(cards) == asked
    assert [card[3] for card in cards.values()] == list(range(1, 13))
    # Of each card only its name, its address, its thumbnail and its rank.
    assert {json.dumps(card[4:]) for card in cards.values()} == {'[null, null, null, "", null, null, []]'}
    assert {points[name] for name in asked} == {("s", -1)}
    assert "12 images by margin, gold rows at random ranks among them" in text.lower()


@pytest.mark.parametrize("status", ["ok", "skipped"])
@pytest.mark.parametrize("newer", [False, True])
def test_gold_rows_cannot_be_told_while_some_are_out(project: Project, status: str, newer: bool) -> None:
    """Those that are back keep the label that was known, though a person said otherwise, or declined them."""
    alcli("select", "-k", 8, "--gold", "50%", project.pool)
    asked = names(project)
    gold = [name for name in asked if name in KNOWN]
    back = [*gold[:2], *[name for name in asked if name not in KNOWN][:3]]
    path = project.pool.parent / "answers.csv"
    said = "class-1,ok" if status == "ok" else ",skipped"
    path.write_text("file_name,label,status\n" + "".join(f"{name},{said}\n" for name in back))
    alcli("import-labels", path, project.pool)
    if newer:
        alcli("select", "-s", "kcenter", "-k", 10, "--add", project.pool)
    cards, points, text = shown(project)
    assert {points[name] for name in asked} == {("p" if newer else "s", -1)}
    told = re.search(r'<section id="problems".*?</section>', text, re.DOTALL)
    assert told is None
    if newer:
        with (project.round_folder(2) / "selection.csv").open(newline="") as file:
            listed = {row["nearest_labelled"] for row in csv.DictReader(file)}
        assert not {*asked} & {*listed, *(card[9] for card in cards.values())}
    else:
        assert {json.dumps(card[4:]) for card in cards.values()} == {'[null, null, null, "", null, null, []]'}


def test_gold_rows_are_told_once_all_are_back(project: Project) -> None:
    alcli("select", "-k", 8, "--gold", "50%", project.pool)
    answer(project, names(project))
    cards, _, text = shown(project)
    assert {name for name, card in cards.items() if card[7] == "gold"} == KNOWN & {*cards}
    assert "8 of 30 queryable images by margin, and 4 gold rows at random ranks" in text


def test_gold_rows_of_an_older_round_are_as_others_of_it(project: Project) -> None:
    """On the map, as neighbours on the sheet, and in the newer round's list."""
    alcli("select", "-k", 8, "--gold", "50%", project.pool)
    alcli("select", "-s", "kcenter", "-k", 10, "--add", project.pool)
    older = names(project, 1)
    gold = KNOWN & {*older}
    cards, points, _ = shown(project)
    assert {points[name] for name in older} == {("p", -1)}
    left = np.array([row for row in LABELLED if f"img-{row:04d}.jpg" not in gold])
    places = POINTS.astype(np.float64)
    for name, card in cards.items():
        nearest = left[((places[left] - places[int(name[4:8])]) ** 2).sum(axis=1).argmin()]
        assert card[9] == f"img-{nearest:04d}.jpg"
    with (project.round_folder(2) / "selection.csv").open(newline="") as file:
        listed = {row["file_name"]: row["nearest_labelled"] for row in csv.DictReader(file)}
    assert listed == {name: card[9] for name, card in cards.items()}


def test_a_neighbour_that_became_gold_since_is_not_shown_as_one(project: Project) -> None:
    """Its label is known, so its card would tell that it is gold."""
    alcli("select", "-s", "kcenter", "-k", 10, project.pool)
    cards, _, _ = shown(project)
    manifest = ledger.read(project)
    gold = min(card[9] for card in cards.values())
    (row,) = (at for at, name in enumerate(manifest.strings("file_name")) if name == gold)
    with ledger.writing(project, "test"):
        ledger.commit(project, manifest.assign(np.array([row]), queried_round=1), command="test")
    again, _, _ = shown(project)
    assert gold not in {card[9] for card in again.values()}
    assert all(card[9] for card in again.values())


def test_an_image_to_be_labelled_again_shows_no_label_until_it_is_back(project: Project) -> None:
    alcli("select", "-s", "activelab", "-k", 6, "--relabel", project.pool)
    asked = names(project)
    again = KNOWN & {*asked}
    assert again
    cards, points, _ = shown(project)
    assert {(cards[name][5], cards[name][8], points[name][1]) for name in again} == {(None, None, -1)}
    assert not again & {card[9] for card in cards.values()}


def test_a_relabelled_image_is_not_its_own_neighbour(project: Project) -> None:
    alcli("select", "-s", "activelab", "-k", 40, "--relabel", project.pool)
    answer(project, names(project)[:39])
    cards, _, _ = shown(project)
    assert KNOWN & {*cards}
    assert [name for name, card in cards.items() if card[9] == name] == []


def test_a_guess_does_not_show_through_a_copy(project: Project) -> None:
    """The audit's first image and one of the pool have the same bytes: on the map they lie on one place."""
    alcli("select", "-k", 4, "--audit", "50%", project.pool)
    with (project.round_folder(1) / "selection.csv").open(newline="") as file:
        audited = next(row["file_name"] for row in csv.DictReader(file) if row["reason"] == "audit")
    manifest = ledger.read(project)
    everyone = [str(name) for name in manifest.strings("file_name")]
    copy = next(name for name in everyone if name not in KNOWN and name not in names(project))
    digests: list[str | None] = [f"{at:064x}" for at in range(len(everyone))]
    digests[everyone.index(copy)] = digests[everyone.index(audited)]
    digests[-1] = None  # never read
    with ledger.writing(project, "test"):
        ledger.commit(project, manifest.replace(sha256=digests), command="test")
    _, points, _ = shown(project)
    assert (points[audited], points[copy]) == (("s", -1), ("p", -1))
    others = [name for name in everyone if points[name][0] == "p" and name != copy]
    assert min(points[name][1] for name in others) >= 0
    answer(project, [audited])
    _, points, _ = shown(project)
    assert points[copy] == ("p", int(PROBABILITIES[int(copy[4:8])].argmax()))
