"""The HTML of a report, without a browser: what is shown, what is left out, and that nothing becomes markup."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html.parser
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from alcli.reporting.page import Card, Finding, Overview, Page, Sheet
from alcli.reporting.rendering import render

from tests.reporting import pages

EVERY_SECTION = [
    "overview", "rounds", "classes", "scores", "selection", "duplicates", "map", "confusion", "comparison",
    "quality", "problems",
]  # fmt: skip


class Reader(html.parser.HTMLParser):
    """Collects what a browser would see: tags with attributes, text, and the raw contents of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.cdata_elem in self.raw:
            self.raw[str(self.cdata_elem)].append(data)
        else:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page() -> Page:
    return pages.full(cards=12, points=60)


@pytest.fixture(scope="module")
def read(page: Page) -> Reader:
    return Reader(render(page))


def bare() -> Page:
    return Page(overview=Overview("pool", "2026-11-21T09:30:00+00:00", "0.4.0", [("images", "0")]))


def embedded(text: str) -> dict[str, Any]:
    return json.loads(Reader(text).raw["script"][0])


def with_card(card: Card) -> Page:
    return dataclasses.replace(bare(), sheet=Sheet(1, "margin", [card]))


def test_every_section_has_a_link_and_a_heading(read: Reader) -> None:
    assert [tag["id"] for tag in read.all("section") if "id" in tag][: len(EVERY_SECTION)] == EVERY_SECTION
    links = [tag["href"] for tag in read.all("a") if str(tag.get("href")).startswith("#")]
    assert links == ["#content", *(f"#{name}" for name in EVERY_SECTION)]


def test_what_is_empty_is_left_out() -> None:
    read = Reader(render(bare()))
    assert [tag["id"] for tag in read.all("section") if "viewer" not in str(tag["id"])] == ["overview"]
    assert len([tag for tag in read.all("a") if str(tag.get("href")).startswith("#")]) == 2


def test_a_sheet_without_cards_and_a_map_without_points_are_left_out(page: Page) -> None:
    assert page.map is not None
    empty = dataclasses.replace(page.map, x=[], y=[], classes=[], kinds=[], file_names=[], thumbnails={})
    text = render(dataclasses.replace(page, sheet=Sheet(1, "none", []), map=empty))
    assert 'id="selection"' not in text
    assert 'id="map"' not in text


def test_ids_are_unique(read: Reader) -> None:
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_no_value_becomes_a_tag(read: Reader) -> None:
    """Pictures in the markup are the comparison and the suspects; the others are made by the script, from data."""
    assert [str(tag.get("src", ""))[:22] for tag in read.all("img")] == [
        "data:image/svg+xml;bas",
        *["data:image/jpeg;base64"] * 2,
        "data:,",
    ]
    assert all(not name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert "".join(read.words).count(pages.EVIL) >= 8


@pytest.mark.parametrize(
    "name",
    [
        "</script><script>alert(1)</script>.png",
        "<!--<script>.png",
        "a\u2028b\u2029c.png",
        "quotes\"'&amp;.png",
        "zweite Zeile\nund\ttab.png",
        "\u202egnp.exe.png",
    ],
    ids=["end of script", "comment", "line separators", "quotes", "white space", "right to left"],
)
def test_any_name_arrives_as_it_is(name: str) -> None:
    card = Card(name, "pool/x.png", "", predicted=name, label=name, nearest=name, duplicates=[name])
    page = dataclasses.replace(with_card(card), problems=[Finding(name, name)], class_names=[name])
    text = render(page)
    row = embedded(text)["sheet"]["cards"][0]
    assert [row[place] for place in (0, 5, 8, 9)] == [name] * 4
    assert row[10] == [name]
    assert len(Reader(text).all("script")) == 2
    assert len(re.findall("<script|<!--", text)) == 2
    assert "\u2028" not in "".join(Reader(text).raw["script"])


def test_a_name_that_is_no_unicode_can_be_written() -> None:
    text = render(dataclasses.replace(bare(), problems=[Finding("caf\udce9.png", "odd name")]))
    assert "caf?.png" in text.encode("utf-8").decode("utf-8")


def test_the_policy_allows_our_style_and_our_script_only(read: Reader) -> None:
    policy = next(
        str(tag["content"]) for tag in read.all("meta") if tag.get("http-equiv") == "Content-Security-Policy"
    )
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    for source, content in (("style", read.raw["style"][0]), ("script", read.raw["script"][1])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert directives[f"{source}-src"] == f"'sha256-{digest}'"
    assert "http" not in policy
    assert "unsafe" not in policy


def test_nothing_is_loaded_from_anywhere(read: Reader) -> None:
    for tag, attributes in read.tags:
        assert "style" not in attributes, "the policy would refuse it"
        assert not str(attributes.get("src", "")).startswith(("http", "//"))
        if tag == "link":
            assert str(attributes["href"]).startswith("data:")


def test_numbers_that_are_none_become_null() -> None:
    card = Card("a.png", "a.png", "", score=math.nan, confidence=math.inf)
    row = embedded(render(with_card(card)))["sheet"]["cards"][0]
    assert (row[4], row[6]) == (None, None)


def test_a_card_costs_little_more_than_its_picture(page: Page) -> None:
    """5,000 cards with 3 KB thumbnails have to stay below 20 MB."""
    assert page.sheet is not None
    few, many = (dataclasses.replace(page, sheet=pages.sheet(number), map=None) for number in (50, 250))
    pictures = sum(len(card.thumbnail) for card in pages.sheet(250).cards[50:])
    pictures += sum(len(card.thumbnail) for card in list(pages.sheet(250).neighbours.values()))
    pictures -= sum(len(card.thumbnail) for card in list(pages.sheet(50).neighbours.values()))
    assert (len(render(many)) - len(render(few)) - pictures) / 200 < 350


def test_a_map_point_is_a_few_digits(page: Page) -> None:
    data = embedded(render(page))["map"]
    assert page.map is not None
    assert data["kinds"] == "s" * 12 + "".join("l" if index % 6 == 0 else "p" for index in range(12, 60))
    assert [round(place / data["grid"], 3) for place in data["x"]] == pytest.approx(page.map.x, abs=1e-3)


def test_the_same_page_gives_the_same_bytes(page: Page) -> None:
    assert render(page) == render(page)


def test_tables_have_headers_for_rows_and_columns(read: Reader) -> None:
    assert {tag.get("scope") for tag in read.all("th")} == {"row", "col", "colgroup"}
    assert len(read.all("table")) == 8


def test_rounds_are_told_in_numbers_too(read: Reader) -> None:
    words = " ".join(" ".join(read.words).split())
    # Round 3: 0.94 - 0.4 * 0.6 ** 3 is 85.36 %; by audit 83.36 %, from 78.36 to 88.36 %.
    for told in ("85.4 %", "83.4 %", "78.4 % to 88.4 %", "validation", "0003-ab12cd"):
        assert told in words


def test_a_comparison_is_an_image_so_that_its_script_cannot_run(read: Reader) -> None:
    source = str(read.all("img")[0]["src"])
    assert base64.b64decode(source.split(",")[1]).decode() == pages.COMPARISON
    assert "alert(2)" not in "".join(read.words)


def test_a_pool_that_is_where_one_is_has_its_name_for_a_title(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "birds").mkdir()
    monkeypatch.chdir(tmp_path / "birds")
    page = dataclasses.replace(bare(), overview=dataclasses.replace(bare().overview, pool="."))
    assert "<title>birds – alcli report</title>" in render(page)


def test_very_many_classes_are_listed_instead_of_crossed(page: Page) -> None:
    text = render(dataclasses.replace(page, confusion=pages.confusion(150)))
    assert "Most often taken for" in text
    shown = Reader(text).words
    assert {"Recall", "Precision"} <= {*map(str.strip, shown)}
    assert 'class="matrix' not in text


@pytest.mark.parametrize(
    ("about", "shown"),
    [
        ("scores of round 4", "Scores of round 4."),
        ("t-SNE of 60 images", "t-SNE of 60 images."),
        ("Ready?", "Ready?"),
    ],
)
def test_words_about_a_section_become_a_sentence(page: Page, about: str, shown: str) -> None:
    assert page.map is not None
    read = Reader(render(dataclasses.replace(page, map=dataclasses.replace(page.map, about=about))))
    assert shown in read.words


def test_label_quality_is_told_and_nothing_in_it_becomes_markup(page: Page) -> None:
    text = render(dataclasses.replace(bare(), quality=page.quality))
    section = re.sub(r".*(<section id=\"quality\".*?</section>).*", r"\1", text, flags=re.DOTALL)
    read = Reader(section)
    words = " ".join(" ".join(read.words).split())
    assert "Audit 2 by rad-voting with model 0004-ab12cd. 31 of 460 labels look wrong." in words
    assert "Estimated error rate: 8.0 % (95 % interval 5.7 % to 10.9 %)" in words
    assert f"bob {pages.EVIL} 100 30 30.0 % 21.2 % to 40.0 %" in words
    assert "labelled/gone.png circle" in words
    assert words.count(pages.EVIL) == 6
    pictures = read.all("img")
    assert [tag["alt"] for tag in pictures] == ["", ""]
    assert all(str(tag["src"]).startswith("data:image/jpeg;base64,") for tag in pictures)
    assert read.all("a") == []
    assert all(not name.startswith("on") for _, attributes in read.tags for name in attributes)


def test_an_audit_without_suspects_or_annotators(page: Page) -> None:
    assert page.quality is not None
    clean = dataclasses.replace(page.quality, suspected=0, suspects=[], by_annotator=[])
    text = render(dataclasses.replace(bare(), quality=clean))
    assert "0 of 460 labels look wrong" in text
    assert '<table class="suspects"' not in text
    assert "error rate by annotator" not in text
