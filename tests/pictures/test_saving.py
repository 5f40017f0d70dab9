"""Pictures as files and within a page: the same bytes again, safe with any name, and no traces left."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from alcli.errors import CannotWrite, UsageError
from alcli.pictures import Bar, embedding_map, format_of, label_bars, learning_curves, rank_scatter, save, svg
from matplotlib.figure import Figure
from PIL import Image

Make = Callable[..., dict[str, list[Any]]]
EVIL = "<script>alert(1)</script>"
HOSTILE = [
    EVIL,
    "$\\frac{",
    "_hidden",
    "a\x00b\x1b[0m",
    "\udce4.png",
    "\u202egnp.exe",
    "猫",
    "",
    "%s {0} &amp; ' \"",
    "x" * 500,
]


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own


def figures(simulated: Make) -> dict[str, Figure]:
    """Draw one of each kind, with more points than are drawn one by one."""
    columns = simulated({"random": [[0.5, 0.6], [0.6, 0.7]], "margin": [[0.5, 0.7], [0.6, 0.9]]})
    rng = np.random.default_rng(0)
    many = rng.permutation(6_000) + 1
    return {
        "curves": learning_curves(columns),
        "bars": label_bars([Bar("random", 100, None, 100), Bar("egl", None, None, 100)]),
        "ranks": rank_scatter(np.arange(1, 6_001), many, names=("a", "b"), spearman=0.0, k=50),
        "map": embedding_map(rng.normal(size=(6_000, 2)), many % 3, ["a", "b", "c"], selected=many < 9),
    }


def test_png_is_1200_pixels_wide_on_white(tmp_path: Path) -> None:
    save(label_bars([("a", 1.0, 0.5, 2.0)]), tmp_path / "bars.png")
    with Image.open(tmp_path / "bars.png") as image:
        assert image.width == 1200
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        assert not image.info.get("Software")


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_input_gives_the_same_bytes(simulated: Make, tmp_path: Path, suffix: str) -> None:
    first, again = figures(simulated), figures(simulated)
    for name, figure in first.items():
        paths = [tmp_path / f"{name}-{number}.{suffix}" for number in range(2)]
        save(figure, paths[0])
        save(again[name], paths[1])
        written = [path.read_bytes() for path in paths]
        assert written[0] == written[1], name
        assert not re.search(rb"20[2-9][0-9]-[01][0-9]-", written[0]), "a date"


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from alcli.pictures import label_bars, save;"
        "[save(label_bars([('a', 1., .5, 2.)]), Path(name)) for name in sys.argv[1:]]"
    )
    names = ["bars.png", "bars.svg", "bars.pdf"]
    for name in names:
        save(label_bars([("a", 1.0, 0.5, 2.0)]), tmp_path / name)
    other = tmp_path / "other"
    targets = [str(other / name) for name in names]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *targets], capture_output=True, check=True
    )
    assert done.stderr == b""
    assert [(other / name).read_bytes() for name in names] == [
        (tmp_path / name).read_bytes() for name in names
    ]


def test_a_figure_is_saved_twice_alike_in_any_format(tmp_path: Path) -> None:
    figure = label_bars([("a", 1.0, 0.5, 2.0)])
    for name in ("one.png", "one.svg", "one.pdf", "two.png", "two.svg", "two.pdf"):
        save(figure, tmp_path / name)
    for suffix in ("png", "svg", "pdf"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    assert b"Date" not in (tmp_path / "one.pdf").read_bytes()


def test_a_users_own_settings_change_nothing_and_stay(tmp_path: Path) -> None:
    save(label_bars([("a", 1.0, 0.5, 2.0)]), tmp_path / "plain.svg")
    with mpl.rc_context(
        {"font.size": 30, "axes.facecolor": "black", "svg.hashsalt": "mine", "text.usetex": True}
    ):
        before = dict(mpl.rcParams)
        save(label_bars([("a", 1.0, 0.5, 2.0)]), tmp_path / "odd.svg")
        assert dict(mpl.rcParams) == before
    assert (tmp_path / "odd.svg").read_bytes() == (tmp_path / "plain.svg").read_bytes()


def test_pyplot_is_never_imported_and_nothing_is_logged() -> None:
    program = "import sys, alcli.pictures; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
    assert not logging.getLogger("matplotlib.font_manager").isEnabledFor(logging.WARNING)


def test_the_suffix_says_how() -> None:
    assert [format_of(Path(name)) for name in ("a.png", "b.SVG", "c.d.pdf")] == ["png", "svg", "pdf"]


@pytest.mark.parametrize("name", ["curves.jpg", "curves", ".png", "curves.png.gz"])
def test_another_suffix_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"pictures are \.png, \.svg or \.pdf") as failure:
        save(label_bars([("a", 1.0, None, 2.0)]), tmp_path / name)
    assert failure.value.hint is not None
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(CannotWrite):
        save(label_bars([("a", 1.0, None, 2.0)]), tmp_path / "taken.png")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.png"]


def hostile_figures(simulated: Make) -> list[Figure]:
    runs = {name: [[0.5, 0.6], [0.6, 0.7]] for name in HOSTILE}
    points = np.random.default_rng(0).normal(size=(40, 2))
    return [
        learning_curves(simulated(runs)),
        label_bars([(name, 10.0, 1.0, 20.0) for name in HOSTILE]),
        embedding_map(points, np.arange(40) % len(HOSTILE), HOSTILE),
        rank_scatter([1, 2], [2, 1], names=(EVIL, "$\\frac{"), spearman=-1.0, k=1),
    ]


def test_hostile_names_are_text(simulated: Make, tmp_path: Path) -> None:
    for number, figure in enumerate(hostile_figures(simulated)):
        save(figure, tmp_path / "a.svg")
        written = (tmp_path / "a.svg").read_text()
        inline = svg(figure, prefix=f"p{number}", title=EVIL + '"')
        for text in (written, inline):
            parsed(text)
            assert "<script" not in text
        if number < 3:
            shown = [
                "".join(element.itertext())
                for element in parsed(inline).iter()
                if element.tag.endswith("text")
            ]
            assert any(EVIL in text for text in shown)
            assert any("$\\frac{" in text for text in shown)
            assert any("_hidden" in text for text in shown)
            assert any("猫" in text for text in shown)


def test_hostile_names_are_drawn(tmp_path: Path) -> None:
    figure = label_bars([(name, 10.0, 1.0, 20.0) for name in HOSTILE])
    for suffix in ("png", "pdf"):
        save(figure, tmp_path / f"bars.{suffix}")
        assert (tmp_path / f"bars.{suffix}").stat().st_size > 10_000


def test_the_inline_picture_keeps_to_itself(simulated: Make) -> None:
    for figure in figures(simulated).values():
        text = svg(figure, prefix="fig", title="All & <more>")
        assert text.startswith("<svg ")
        root = parsed(text)
        assert root.get("role") == "img"
        assert root.get("aria-label") == "All & <more>"
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags.isdisjoint({"style", "script", "metadata", "foreignObject"})
        addresses = set(re.findall(r"https?://[^\"]*", text))
        assert addresses == {"http://www.w3.org/2000/svg"}


def test_ids_are_unique_within_a_page(simulated: Make) -> None:
    figure = figures(simulated)["curves"]
    ids: list[str] = []
    for prefix in ("one", "two"):
        root = parsed(svg(figure, prefix=prefix))
        mine = [element.get("id") for element in root.iter() if element.get("id")]
        ids += [str(name) for name in mine]
        used = {
            value
            for element in root.iter()
            for text in element.attrib.values()
            for value in re.findall(r"url\(#([^)]*)\)|^#(.*)", text)
        }
        assert {a or b for a, b in used} <= set(mine)
        assert all(str(name).startswith(f"{prefix}-") for name in mine)
    assert len(ids) == len(set(ids))


def test_a_prefix_is_a_word(simulated: Make) -> None:
    figure = figures(simulated)["bars"]
    for prefix in ("", "1a", 'a"', "a b"):
        with pytest.raises(ValueError, match="prefix"):
            svg(figure, prefix=prefix)


def test_the_inline_picture_is_the_saved_one(simulated: Make, tmp_path: Path) -> None:
    figure = figures(simulated)["bars"]
    save(figure, tmp_path / "bars.svg")
    saved, inline = (
        parsed((tmp_path / "bars.svg").read_text()),
        parsed(svg(figure, prefix="p")),
    )

    def paths(root: ET.Element) -> list[str | None]:
        return [element.get("d") for element in root.iter() if element.tag.endswith("}path")]

    assert paths(saved) == paths(inline)
    assert len(paths(saved)) > 5


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_link_to_a_picture_stays_a_link(tmp_path: Path, suffix: str) -> None:
    figure = label_bars([Bar("random", 100, None, 100)])
    link, kept = tmp_path / f"link.{suffix}", tmp_path / f"kept.{suffix}"
    save(figure, tmp_path / f"plain.{suffix}")
    kept.touch()
    link.symlink_to(kept)
    save(figure, link)
    assert link.is_symlink()
    assert kept.read_bytes() == (tmp_path / f"plain.{suffix}").read_bytes()
