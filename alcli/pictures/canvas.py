"""The common look of all pictures: canvas, colours, line styles, and words that are safe to draw."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter, MaxNLocator

WIDTH = 8.0  # inches: 1,200 pixels at 150 dpi
INK = "#24292f"
GREY = "#6e7781"
PALE = "#c9ced4"
ACCENT = "#0072b2"
WARM = "#d55e00"

# Okabe & Ito (2008) without black and yellow, then colours of Tol's "muted" scheme: both are told apart with
# any colour vision; marker and dash tell lines apart without colour.
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
    "#332288", "#56b4e9", "#882255", "#999933", "#44aa99",
)  # fmt: skip
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_DASHES = ("-", (0, (5, 1.5)), (0, (3, 1.2, 1, 1.2)), (0, (1, 1)))
_SOLID = 5  # so many lines are solid before dashes begin

_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": PALE,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.titlesize": 10.5,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same everywhere
    "font.size": 9,
    "grid.color": "#e9ebee",
    "hatch.linewidth": 0.7,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",  # text stays text: any script is drawn by the reader's own fonts
    "svg.hashsalt": "alcli",
    "text.color": INK,
    "text.parse_math": False,  # a class may be called `$\frac{`
    "xtick.color": PALE,
    "xtick.labelcolor": INK,
    "ytick.color": PALE,
    "ytick.labelcolor": INK,
}
_RC: Any = {k: v for k, v in mpl.rcParamsDefault.items() if not k.startswith("backend")} | _STYLE


class Look(NamedTuple):
    """How a method's line is drawn, the same in every panel of a picture."""

    colour: str
    marker: str
    dash: str | tuple[float, tuple[float, ...]]
    width: float
    order: int


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw in the common style, whatever the user's own settings are; afterwards they are as before.

    matplotlib takes defaults, and how SVG is written, from process-wide settings only, so pictures are not
    to be drawn from two threads at once.
    """
    with mpl.rc_context(_RC), warnings.catch_warnings():
        # The font lacks a letter of some class name: PNG shows a box, SVG the letter.
        warnings.filterwarnings("ignore", r"Glyph \d+", UserWarning)
        yield


@contextlib.contextmanager
def drawing(height: float) -> Iterator[Figure]:
    """Yield an empty white figure, 8 inches wide, `height` inches high; lay it out when it has been drawn on."""
    with styled():
        layout = ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09)  # inches
        figure = Figure(figsize=(WIDTH, height), dpi=150, facecolor="white", layout=layout)
        FigureCanvasAgg(figure)
        yield figure
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laying out once more would move things by a hair


def looks(methods: Sequence[str]) -> dict[str, Look]:
    """Return how each method is drawn; `random` is dark grey, dashed and beneath the others.

    So is `random` with pseudo-labels or another part, dotted; several of those are what is compared, and are
    told apart by colour.
    """
    found: dict[str, Look] = {}
    number = 0
    several = sum(is_random(method) for method in set(methods) - {"random"}) > 1
    for method in methods:
        if method == "random" or (is_random(method) and not several):
            found[method] = Look("#4d5358", "", (0, (4, 2)) if method == "random" else (0, (1, 1.5)), 1.8, 2)
            continue
        dash = _DASHES[number // _SOLID % len(_DASHES)]
        colour, marker = COLOURS[number % len(COLOURS)], _MARKERS[number % len(_MARKERS)]
        found[method] = Look(colour, marker, dash, 1.6, 3)
        number += 1
    return found


def is_random(method: str) -> bool:
    """Tell whether a method is the baseline: `random`, or `random` with pseudo-labels or another part."""
    return method == "random" or method.startswith("random+")


def plain(text: object, limit: int = 32) -> str:
    """Return text in one line of at most `limit` characters, the middle left out, that any format can hold.

    Control characters, lone surrogates and marks that turn the direction of text become U+FFFD: XML cannot
    hold the first two, and the last would disorder what stands beside them.
    """
    line = " ".join(str(text).split())
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in line)
    if len(shown) <= limit:
        return shown
    tail = limit // 3
    return f"{shown[: limit - tail - 1]}…{shown[-tail:]}"


def counted(axes: Axes, *which: str) -> None:
    """Let the axes `x` or `y` carry whole numbers such as `12,000`."""
    for name in which:
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def shares(axis: Axis) -> None:
    """Let an axis carry shares in [0, 1] as percent."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g} %"))


def rows(axes: Axes, methods: Sequence[str]) -> None:
    """Let the axes hold a row for each method, the first on top."""
    axes.set_yticks(range(len(methods)), [plain(method) for method in methods])
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def beside(axes: Axes, handles: Sequence[Artist], words: Sequence[str], **options: Any) -> Legend:
    """Put a legend to the right of the axes; `words` may begin with an underscore, which matplotlib hides."""
    legend = axes.legend(
        handles, ["?"] * len(words), loc="upper left", bbox_to_anchor=(1, 1.02), borderaxespad=0.4, **options
    )
    for text, word in zip(legend.get_texts(), words, strict=True):
        text.set_text(word)
    return legend
