"""Addresses of images in a page, as a browser resolves them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from alcli.reporting.links import Links

NAMES = [
    "a.png",
    "b c/d#e?.png",
    "50%.png",
    "<img src=x onerror=alert(1)>.png",
    "é/ü.jpg",
    "javascript:a.png",
    '"q".png',
]


@pytest.mark.parametrize(
    "page", ["report.html", "pool/report.html", "elsewhere/deep/report.html", "pool/../r.html"]
)
@pytest.mark.parametrize("name", NAMES)
def test_a_browser_finds_the_image(tmp_path: Path, page: str, name: str) -> None:
    place = tmp_path / page
    link = Links(tmp_path / "pool", place)(name)
    assert link.isascii()
    assert not set(link) & set("<>\"' ?#:")
    found = urlsplit(urljoin(Path(place.absolute()).as_uri(), link))
    assert Path(unquote(found.path)).resolve() == (tmp_path / "pool" / name).resolve()


def test_page_and_pool_can_move_together(tmp_path: Path) -> None:
    one, other = (Links(tmp_path / top / "pool", tmp_path / top / "report.html") for top in ("x", "y"))
    assert one("a.png") == other("a.png") == "pool/a.png"


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Links(Path(), Path("report.html"))("a/b.png") == "a/b.png"
    assert Links(Path("pool"), Path("out/report.html"))("b.png") == "../pool/b.png"
