"""Writing a figure: to a file by its suffix, or as SVG to be put into a web page."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from alcli.errors import UsageError
from alcli.files import opened
from alcli.pictures import canvas

# Nothing of the day or of the program's version: the same picture is the same file.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
_INHERITED = "stroke-linejoin: round; stroke-linecap: butt; max-width: 100%; height: auto"


def format_of(path: Path) -> str:
    """Return `png`, `svg` or `pdf`, as the suffix says; commands ask before they work for hours.

    Raises:
        UsageError: It is none of these.
    """
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in _METADATA:
        raise UsageError(
            f"cannot tell how to draw {path}: pictures are .png, .svg or .pdf",
            hint=f"name it {path.with_suffix('.png').name if path.name else 'picture.png'}",
        )
    return suffix


def save(figure: Figure, path: Path) -> None:
    """Write a figure to a file, all of it or nothing; the same figure gives the same bytes.

    Args:
        figure: Of a function of this package.
        path: Ends with `.png`, `.svg` or `.pdf`.

    Raises:
        UsageError: It ends with something else.
        CannotWrite: The disk is full or read-only.
    """
    written_as = format_of(path)
    with canvas.styled(), opened(path) as sink:
        figure.savefig(sink, format=written_as, metadata=_METADATA[written_as])


def svg(figure: Figure, *, prefix: str, title: str = "") -> str:
    """Return a figure as an `<svg>` element for a web page.

    It has no prolog, no style sheet that would reach the rest of the page, and needs nothing from elsewhere;
    text stays text, with everything escaped that is markup.

    Args:
        figure: Of a function of this package.
        prefix: Stands before every id; another one for each picture of a page. Letters, digits, `-` and `_`.
        title: What the picture shows, in words, for people who cannot see it.

    Raises:
        ValueError: `prefix` holds other characters.
    """
    if not re.fullmatch(r"[A-Za-z][\w-]*", prefix, re.ASCII):
        raise ValueError(f"prefix of ids {prefix!r}")
    buffer = io.BytesIO()
    with canvas.styled():
        figure.savefig(buffer, format="svg", metadata=_METADATA["svg"])
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - matplotlib's own words, escaped by it
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(k): v for k, v in element.attrib.items()}
        _rename(element, prefix)
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in ("style", "metadata")]:
            parent.remove(child)
    root.attrib |= {"xmlns": "http://www.w3.org/2000/svg", "style": _INHERITED, "role": "img"}
    if title:
        root.set("aria-label", canvas.plain(title, 300))
    return ET.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    """Return a name without its namespace: within HTML there are none."""
    return name.rpartition("}")[2]


def _rename(element: ET.Element, prefix: str) -> None:
    for name, value in element.attrib.items():
        if name == "id":
            element.set(name, f"{prefix}-{value}")
        elif name == "href" and value.startswith("#"):
            element.set(name, f"#{prefix}-{value[1:]}")
        else:
            element.set(name, _REFERENCE.sub(rf"url(#{prefix}-\1)", value))
