"""A page as one HTML file: nothing is loaded from anywhere, and nothing from the pool is ever taken for markup.

Three walls keep a file name such as `<img src=x onerror=alert(1)>.png` what it is: the template escapes every
value, the script writes text and never markup, and the content security policy allows exactly the one style sheet
and the one script whose hashes it carries, so that even markup that got in could not run.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import jinja2
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from alcli.reporting import charts, grids
from alcli.reporting.page import Page
from alcli.reporting.payload import payload

STYLES = ("report.css", "figures.css", "sheet.css")
SCRIPTS = ("cards.js", "viewer.js", "sheet.js", "map.js", "page.js")


def render(page: Page) -> str:
    """Turn a page into HTML.

    Args:
        page: What to show.

    Returns:
        A self-contained document that can be encoded as UTF-8: what of a file name is no Unicode appears as `?`.
    """
    style, script = _joined(STYLES), _joined(SCRIPTS)
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            title=Path(page.overview.pool).absolute().name or page.overview.pool,
            sections=_sections(page),
            policy=_policy(style, script),
            style=Markup(style),  # noqa: S704 - a file of this package
            script=Markup(script),  # noqa: S704 - a file of this package
            data=htmlsafe_json_dumps(payload(page), separators=(",", ":")),
            accuracy=charts.accuracy(page.rounds),
            labels=charts.labels(page.rounds),
            histogram=charts.histogram(page.histogram) if page.histogram else None,
            balance=grids.balance(page.rounds, page.class_names),
            matrix=grids.matrix(page.confusion) if page.confusion else None,
            frame=charts,
        )
    )
    return html.encode("utf-8", "replace").decode("utf-8")


def _sections(page: Page) -> Sequence[tuple[str, str]]:
    """Return id and title of the sections that this page has, in their order."""
    cards = page.sheet.cards if page.sheet else ()
    there = [
        ("overview", "Overview", True),
        ("rounds", "Rounds", page.rounds),
        ("classes", "Classes", grids.balance(page.rounds, page.class_names)),
        ("scores", "Scores", page.histogram and charts.histogram(page.histogram)),
        ("selection", "Selection", cards),
        ("duplicates", "Duplicates", any(card.duplicates for card in cards)),
        ("map", "Map", page.map and page.map.x),
        ("confusion", "Confusion", page.confusion and page.confusion.names),
        ("comparison", "Comparison", page.comparison),
        ("quality", "Label quality", page.quality),
        ("problems", "Problems", page.problems or page.omitted_problems),
    ]
    return [(name, title) for name, title, shown in there if shown]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alcli.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=_number, percent=_percent, picture=_picture, moment=_moment, sentence=_sentence
    )
    return environment


def _joined(names: Sequence[str]) -> str:
    folder = resources.files("alcli.reporting") / "templates"
    return "\n".join((folder / name).read_text("utf-8") for name in names)


def _policy(style: str, script: str) -> str:
    """Return the content security policy: pictures from the page and from disk, our style, our script, no more."""
    return "; ".join(
        [
            "default-src 'none'",
            "img-src data: file: 'self'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        ]
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _number(number: int) -> str:
    return f"{number:,}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _picture(svg: str) -> str:
    """Return an SVG as a `data:` URL: as an image it can neither run a script nor be hurt by our policy."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _moment(text: str) -> str:
    """Return an ISO 8601 time as people write it; anything else as it is."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment:%Y-%m-%d %H:%M}" + (" UTC" if moment.tzinfo else "")


def _sentence(words: str) -> str:
    """Return words with a capital and a full stop; `t-SNE` and other names keep their first letter."""
    first = words.split(" ", 1)[0]
    capital = first.isalpha() and first.islower()
    begun = words[:1].upper() + words[1:] if capital else words
    return begun if not begun or begun.endswith((".", "!", "?")) else f"{begun}."
