"""Reports made up for tests: every section filled, names that try to be markup, real image files beside the page."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
from alcli.reporting.page import (
    Card,
    Confusion,
    ErrorRate,
    Finding,
    Histogram,
    LabelQuality,
    Map,
    Overview,
    Page,
    RoundLine,
    Sheet,
    Suspect,
)
from PIL import Image, ImageDraw

EVIL = "<img src=x onerror=alert(1)>.png"
SHAPES = ("circle", "square", "triangle", "stripes", "ring")


def drawing(code: int, seed: int, side: int) -> Image.Image:
    """Return a coloured shape of the class `code`."""
    random = np.random.default_rng([code, seed])
    ground, ink = (
        tuple(int(value) for value in random.integers(*bounds, 3)) for bounds in ((150, 250), (20, 140))
    )
    image = Image.new("RGB", (side, side), ground)
    pen = ImageDraw.Draw(image)
    low, high = side * random.uniform(0.1, 0.25), side * random.uniform(0.7, 0.9)
    middle = (low + high) / 2
    match SHAPES[code % len(SHAPES)]:
        case "circle":
            pen.ellipse((low, low, high, high), fill=ink)
        case "square":
            pen.rectangle((low, low, high, high), fill=ink)
        case "triangle":
            pen.polygon([(middle, low), (high, high), (low, high)], fill=ink)
        case "stripes":
            for step in range(0, side, max(side // 6, 2)):
                pen.line((0, step, side, step + side // 5), fill=ink, width=max(side // 16, 1))
        case _:
            pen.ellipse((low, low, high, high), outline=ink, width=max(side // 8, 2))
    return image


def thumbnail(code: int, seed: int, side: int = 96) -> str:
    """Return a drawing as a `data:` URL."""
    buffer = io.BytesIO()
    drawing(code, seed, side).save(buffer, "JPEG", quality=70)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def card(name: str, code: int, seed: int, **facts: object) -> Card:
    """Return a card of a drawing; `facts` are further fields."""
    return Card(name, quote(f"pool/{name}"), thumbnail(code, seed), **facts)  # type: ignore[arg-type]


def sheet(count: int) -> Sheet:
    """Return a contact sheet of `count` images; the third is called `EVIL`, every seventh stands for a duplicate."""
    random = np.random.default_rng(3)
    neighbours = {
        f"labelled/{shape}.png": card(f"labelled/{shape}.png", code, 900, label=shape)
        for code, shape in enumerate(SHAPES)
    }
    cards = []
    for index in range(count):
        code = index % len(SHAPES)
        name = EVIL if index == 2 else f"unlabelled/photo-{index:04d}.png"
        copies = (
            [f"unlabelled/copy-{index}-{copy}.png" for copy in range(1 + index % 3)] if index % 7 == 2 else []
        )
        for copy in copies[:30] if index < 200 else []:
            neighbours[copy] = card(copy, code, index)
        cards.append(
            card(
                name,
                code,
                index,
                rank=index + 1,
                score=0.98 - 0.5 * index / count,
                predicted=EVIL if index == 2 else SHAPES[code],
                confidence=float(random.uniform(0.3, 0.7)),
                reason="audit" if index % 11 == 5 else "diverse" if index % 5 == 4 else "rank",
                label=SHAPES[(code + index % 2) % 5] if index % 4 == 1 else None,
                nearest=f"labelled/{SHAPES[code]}.png",
                duplicates=copies,
            )
        )
    return Sheet(
        4,
        f"margin chose {count:,} of 9,540 images, one of each group of duplicates.",
        cards,
        neighbours,
        omitted=12,
    )


def plane(shown: Sheet, count: int) -> Map:
    """Return a map of five clouds; the images of the sheet come first."""
    random = np.random.default_rng(7)
    classes = [index % 5 for index in range(count)]
    kinds = ["s" if index < len(shown.cards) else "l" if index % 6 == 0 else "p" for index in range(count)]
    places = [
        np.clip(
            0.5
            + 0.3 * np.array([math.cos(2 * math.pi * code / 5), math.sin(2 * math.pi * code / 5)])
            + random.normal(0, 0.07, 2),
            0,
            1,
        )
        for code in classes
    ]
    names = [entry.file_name for entry in shown.cards]
    names += [f"unlabelled/rest-{index:05d}.png" for index in range(len(names), count)]
    thumbnails = {
        index: thumbnail(index % 5, index, 48)
        for index in range(len(shown.cards), min(count, len(shown.cards) + 200))
    }
    return Map(
        f"t-SNE of {count:,} embeddings, coloured by label, else by prediction.",
        [float(place[0]) for place in places],
        [float(place[1]) for place in places],
        [-1 if index % 97 == 3 else code for index, code in enumerate(classes)],
        kinds,
        names,
        list(SHAPES),
        thumbnails,
    )


def rounds() -> list[RoundLine]:
    """Return a start and four rounds; the second has no audit."""
    lines = [RoundLine(0, "", 0, 100, None, "", None, [40, 25, 20, 10, 5], None)]
    classes = np.array([40, 25, 20, 10, 5])
    for number in range(1, 5):
        classes = classes + np.array([4, 8, 10, 12, 16]) + number
        accuracy = 0.94 - 0.4 * 0.6**number
        audit = None if number == 2 else (accuracy - 0.02, accuracy - 0.07, accuracy + 0.03)
        lines.append(
            RoundLine(
                number,
                "margin" if number > 1 else "kcenter",
                64,
                int(classes.sum()),
                accuracy,
                "val",
                audit,
                classes.tolist(),
                f"000{number}-ab12cd",
            )
        )
    return lines


def histogram() -> Histogram:
    """Return twenty bins of which the upper ones were selected."""
    counts = [int(3000 * math.exp(-index / 4)) + 3 for index in range(20)]
    selected = [0] * 15 + [20, *counts[16:]]
    return Histogram(
        [index / 20 for index in range(21)],
        counts,
        selected,
        0.7712,
        "Margin scores of the 9,540 images that round 4 could choose from.",
    )


def confusion(size: int = 5) -> Confusion:
    """Return a matrix with most of its weight on the diagonal and one class that nothing was measured of."""
    random = np.random.default_rng(5)
    counts = random.poisson(1.5, (size, size)) + np.diag(random.integers(20, 90, size))
    counts[-1] = 0
    names = [SHAPES[code] if code < 5 else f"class {code}" for code in range(size)]
    cells = {(int(true), int(taken)): int(counts[true, taken]) for true, taken in np.argwhere(counts)}
    return Confusion("Model 0004-ab12cd on 320 validation images.", names, cells)


def quality() -> LabelQuality:
    """Return an audit of 460 labels with three suspects; the image of the second is gone."""
    return LabelQuality(
        "audit 2 by rad-voting with model 0004-ab12cd",
        suspected=31,
        labels=460,
        overall=ErrorRate("all labels", 460, 37, 37 / 460, 0.057, 0.109),
        by_class=[
            ErrorRate(EVIL, 80, 20, 0.25, 0.16, 0.359),
            ErrorRate("circle", 380, 17, 17 / 380, 0.026, 0.071),
        ],
        by_annotator=[ErrorRate(f"bob {EVIL}", 100, 30, 0.3, 0.212, 0.4)],
        suspects=[
            Suspect(f"labelled/{EVIL}", thumbnail(0, 5), EVIL, "ring", "relabel", EVIL),
            Suspect("labelled/gone.png", "", "circle", EVIL, "drop"),
            Suspect("labelled/out.png", thumbnail(2, 6), "ring", None, "ask", "ann, bob"),
        ],
    )


COMPARISON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 80" width="480" height="320">
<style>circle { fill: #3450c4 }</style><script>alert(2)</script><rect width="120" height="80" fill="#fff"/>
<circle cx="20" cy="60" r="3"/><circle cx="50" cy="45" r="3"/><circle cx="90" cy="20" r="3"/></svg>"""


def full(cards: int = 36, points: int = 1500, classes: int = 5) -> Page:
    """Return a page with every section."""
    shown = sheet(cards)
    return Page(
        overview=Overview(
            pool=f"pools/{EVIL}",
            made="2026-11-21T09:30:00+00:00",
            version="0.4.0",
            facts=[
                ("images", "10,000"),
                ("labelled", "460 (4.6 %)"),
                ("classes", "5"),
                ("rounds", "4"),
                ("accuracy", "88.9 %"),
                ("newest model", "0004-ab12cd"),
                ("network", "resnet18"),
                ("sent out, not back", EVIL),
            ],
            advice=[
                "kappa: the last two models agree on 97.2 % of the pool; below 99 %, so go on.",
                f"plateau: accuracy rose by 3.4 points in the last round, so go on {EVIL}.",
            ],
        ),
        class_names=[*SHAPES[:4], EVIL],
        rounds=rounds(),
        histogram=histogram(),
        sheet=shown,
        map=plane(shown, points),
        confusion=confusion(classes),
        problems=[
            Finding(EVIL, "cannot be decoded: truncated file"),
            Finding("broken/a.png", f"no such file {EVIL}"),
        ],
        quality=quality(),
        omitted_problems=4,
        comparison=COMPARISON,
    )


def heavy(cards: int, points: int, picture_bytes: int) -> Page:
    """Return a page whose cards' pictures are `data:` URLs of about `picture_bytes` characters."""
    page = full(cards, points)
    assert page.sheet is not None
    length = picture_bytes // 4 * 4
    padded = []
    for entry in page.sheet.cards:
        kind, picture = entry.thumbnail.split(",")
        # What follows a JPEG's last marker is ignored.
        padded.append(replace(entry, thumbnail=f"{kind},{picture.rstrip('=').ljust(length, 'A')[:length]}"))
    return replace(page, sheet=replace(page.sheet, cards=padded))


def write_pool(page: Page, folder: Path) -> None:
    """Write the image file that each card of a page links to."""
    if page.sheet is None:
        return
    for entry in [*page.sheet.cards, *page.sheet.neighbours.values()]:
        path = folder / "pool" / entry.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        drawing(sum(entry.file_name.encode()) % 5, 1, 256).save(path)
