"""From a pool to a page: which sections there are in which state, and thumbnails where they belong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from alcli import __version__, ledger
from alcli.errors import PoolExhausted, StepMissing, UsageError
from alcli.main import app
from alcli.project import Project
from alcli.reporting import Options, overview
from alcli.reporting.composing import compose
from alcli.reporting.page import Page
from typer.testing import CliRunner

from tests.conftest import draw, the_log_as_found

Build = Callable[..., Project]
EVIL = "<img src=x onerror=alert(1)>.png"
QUICK = Options(map="pca", workers=0)


def alcli(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def selected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool with a trained model and an open round, one file that is no image and one with an evil name."""
    pool = tmp_path_factory.mktemp("report") / "pool"
    for name, shade in (("bright", 220), ("dark", 30)):
        for index in range(6):
            draw(pool / name / f"{index}.png", shade=shade, seed=index)
            draw(pool / "val" / name / f"{index}.png", shade=shade, seed=90 + index)
        for index in range(10):
            draw(pool / "unlabelled" / f"{name}{index}.png", shade=shade, seed=50 + index)
    draw(pool / "unlabelled" / EVIL, shade=120, side=28)
    (pool / "unlabelled" / "broken.png").write_bytes(b"no image")
    with the_log_as_found():
        alcli("init", pool)
        alcli("train", "--model", "lenet", "--epochs", 1, "--workers", 0, pool)
        alcli("score", "--workers", 0, pool)
        alcli("select", "-k", 21, pool)
    return pool


@pytest.fixture
def pool(selected: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(selected, tmp_path / "pool"))


def page_of(pool: Path, options: Options = QUICK) -> Page:
    return compose(Project.open(pool), pool.parent / "report.html", options)


def test_every_section(pool: Path) -> None:
    page = page_of(pool)
    facts = dict(page.overview.facts)
    assert facts["images"] == "46"
    assert (facts["labelled"], facts["labelled to train on"]) == ("24", "12")
    assert facts["out for labelling"] == "21"
    assert facts["newest model"].startswith("0001-")
    assert page.overview.version == __version__
    assert page.class_names == ("bright", "dark")
    assert [(line.number, line.labels, line.selected) for line in page.rounds] == [(0, 12, 0), (1, 12, 21)]
    assert page.rounds[1].measured_on == "val"
    assert page.histogram is not None
    assert (sum(page.histogram.counts), sum(page.histogram.selected)) == (21, 21)
    assert page.sheet is not None
    assert len(page.sheet.cards) == 21
    assert page.map is not None
    assert (page.map.kinds.count("l"), page.map.kinds.count("s")) == (12, 21)
    assert page.confusion is not None
    assert page.confusion.about.endswith("on 12 validation images")
    assert sum(page.confusion.counts.values()) == 12
    assert [finding.file_name for finding in page.problems] == ["unlabelled/broken.png"]
    assert page.problems[0].what.startswith("unreadable: ")
    assert (page.comparison, page.quality) == ("", None)


def test_names_stay_as_they_are_and_pictures_are_where_they_belong(pool: Path) -> None:
    page = page_of(pool)
    assert page.sheet is not None
    assert page.map is not None
    evil = next(card for card in page.sheet.cards if "onerror" in card.file_name)
    assert evil.file_name == f"unlabelled/{EVIL}"
    assert evil.link == "pool/unlabelled/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E.png"
    assert all(card.thumbnail.startswith("data:image/webp;base64,") for card in page.sheet.cards)
    assert all(card.thumbnail for card in page.sheet.neighbours.values())
    shown = {card.file_name for card in page.sheet.cards} | set(page.sheet.neighbours)
    rest = {at for at, name in enumerate(page.map.file_names) if name not in shown}
    assert set(page.map.thumbnails) == rest  # each picture is in the page once


def test_an_image_that_is_gone_has_no_picture(pool: Path) -> None:
    (pool / "unlabelled" / EVIL).unlink()
    page = page_of(pool)
    assert page.sheet is not None
    assert [card.thumbnail == "" for card in page.sheet.cards] == [
        "onerror" in card.file_name for card in page.sheet.cards
    ]


def test_the_same_state_gives_the_same_page(pool: Path) -> None:
    first = page_of(pool)
    assert page_of(pool, Options(map="pca", workers=2)) == first
    last = (pool / ".alcli/journal.jsonl").read_text().splitlines()[-1]
    assert first.overview.made == json.loads(last)["at"]
    (pool / ".alcli/journal.jsonl").unlink()
    assert overview._last_change(Project.open(pool)).endswith("+00:00")


def test_two_strategies_compared(pool: Path) -> None:
    page = page_of(pool, Options(compare=("margin", "entropy"), map="none", workers=0))
    assert page.comparison.startswith("<svg")
    assert page.comparison_about.startswith("ranks of 21 images by margin and by entropy; 21 of 21 are")
    assert page.map is None


def test_before_anything_was_trained_or_selected(image_folder: Path) -> None:
    alcli("init", "--val-fraction", 0, image_folder)
    page = page_of(image_folder)
    assert (page.sheet, page.histogram, page.map, page.confusion) == (None, None, None, None)
    assert [(line.number, line.labels) for line in page.rounds] == [(0, 24)]
    assert dict(page.overview.facts)["newest model"] == "none yet"
    assert page.overview.advice == []
    with pytest.raises(StepMissing, match="none has been trained"):
        page_of(image_folder, Options(compare=("margin", "entropy")))


def test_a_round_without_a_model(image_folder: Path) -> None:
    alcli("init", "--val-fraction", 0, image_folder)
    alcli("select", "-s", "random", "-k", 5, image_folder)
    page = page_of(image_folder)
    assert page.sheet is not None
    assert {(card.predicted, card.nearest) for card in page.sheet.cards} == {(None, None)}
    assert all(card.thumbnail for card in page.sheet.cards)
    assert page.map is None


def test_a_model_that_was_not_scored_yet(pool: Path) -> None:
    shutil.rmtree(pool / ".alcli" / "signals")
    page = page_of(pool)
    assert (page.map, page.confusion) == (None, None)
    assert page.sheet is not None
    assert page.rounds[1].accuracy is not None


def test_a_users_own_model(image_folder: Path, tmp_path: Path) -> None:
    alcli("init", "--val-fraction", 0, image_folder)
    names = ledger.read(Project.open(image_folder)).strings("file_name")
    random = np.random.default_rng(0)
    table = pa.table(
        {
            "file_name": names,
            "probabilities": random.dirichlet(np.ones(3), len(names)).tolist(),
            "embeddings": random.normal(size=(len(names), 4)).tolist(),
        }
    )
    pq.write_table(table, tmp_path / "outputs.parquet")
    alcli("score", "--from", tmp_path / "outputs.parquet", image_folder)
    alcli("select", "-k", 5, image_folder)
    page = page_of(image_folder)
    assert page.map is not None
    assert len(page.map.x) == len(names)
    assert page.rounds[1].accuracy is None
    assert page.sheet is not None
    assert all(card.predicted for card in page.sheet.cards)
    assert dict(page.overview.facts)["newest model"].endswith(", external")


def test_an_empty_pool(tmp_path: Path) -> None:
    project = Project.open(tmp_path)
    with pytest.raises(StepMissing, match="no label manifest"):
        compose(project, tmp_path / "report.html", QUICK)


def test_images_that_exist_in_the_manifest_only(scored_pool: Build) -> None:
    points = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float16)
    project = scored_pool(np.full((30, 2), 0.5), signals={"embeddings": points}, labels={0: "class-0"})
    alcli("select", "-s", "kcenter", "-k", 4, project.pool)
    page = page_of(project.pool)
    assert page.sheet is not None
    assert page.map is not None
    assert {card.thumbnail for card in page.sheet.cards} == {""}
    assert page.map.thumbnails == {}
    assert page.histogram is None  # picked together: there is no score to count


def test_bad_options(scored_pool: Build) -> None:
    project = scored_pool(np.full((3, 2), 0.5), labels=dict.fromkeys(range(3), "class-0"))
    with pytest.raises(UsageError, match="no map by umap"):
        page_of(project.pool, Options(map="umap"))
    with pytest.raises(PoolExhausted):
        page_of(project.pool, Options(compare=("margin", "entropy")))
