"""Images as points in the plane, coloured by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from alcli import randomness
from alcli.errors import InputRejected, UsageError
from alcli.pictures import canvas

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_CLASSES = 20
_OTHERS = "#9aa2ab"
_UNKNOWN = "#dde1e5"
_VECTORS = 5_000  # more points than these become one bitmap within an SVG
_COLOURS = (
    *canvas.COLOURS,
    "#7fb2e5", "#f2a65a", "#8fd175", "#f4b6d2", "#b39200",
    "#8f7be0", "#1f4e5f", "#e8505b", "#5b6b1f", "#a0522d",
)  # fmt: skip


def embedding_map(
    points: ArrayLike, classes: ArrayLike, names: Sequence[str], *, selected: ArrayLike | None = None
) -> Figure:
    """Draw images as points, coloured by class, as papers show the t-SNE of an embedding.

    Up to 20 classes have a colour each; of more, the 19 largest, and the others are grey together.

    Args:
        points: (n, 2) coordinates, of t-SNE or PCA; they have no unit.
        classes: (n,) indices into `names`; -1 for images whose class is not known.
        names: Class names; any characters at all.
        selected: (n,) booleans: images to ring in black; None for none.

    Raises:
        UsageError: Shapes do not fit each other, or a class is no index into `names`.
        InputRejected: There is no point, or one is not finite.
    """
    where, codes, ringed = _checked(points, classes, names, selected)
    colours = _colours(codes)
    # In the order of files a class would lie on top of those before it: shuffle, the same way each time.
    order = np.argsort(randomness.mix(np.arange(len(where), dtype=np.uint64)), kind="stable")
    size = float(np.clip(24_000 / len(where), 4, 30))
    with canvas.drawing(6.0) as figure:
        axes = figure.subplots()
        for name, mask, level in (("unknown", codes < 0, 2), ("images", codes >= 0, 3)):
            drawn = order[mask[order]]
            fill = to_rgba_array([colours.get(code, _OTHERS) for code in codes[drawn].tolist()])
            axes.scatter(
                where[drawn, 0], where[drawn, 1], s=size, color=fill, linewidth=0, alpha=0.85, label=name, zorder=level,
                rasterized=len(where) > _VECTORS,
            )  # fmt: skip
        if ringed.any():
            axes.scatter(
                where[ringed, 0], where[ringed, 1], s=max(2.2 * size, 18), facecolor="none",
                edgecolor="black", linewidth=0.9, label="selected", zorder=4,
            )  # fmt: skip
        _legend(axes, codes, colours, names, int(ringed.sum()))
        _bare(axes)
        axes.set_title(f"{len(where):,} image{'s' if len(where) > 1 else ''} by class")
    return figure


def _checked(
    points: ArrayLike, classes: ArrayLike, names: Sequence[str], selected: ArrayLike | None
) -> tuple[Floats, Codes, NDArray[np.bool_]]:
    where, codes = np.asarray(points, np.float64), np.asarray(classes)
    if where.ndim != 2 or where.shape[1] != 2 or codes.shape != where.shape[:1]:
        raise UsageError(f"points must be (n, 2) and classes (n,); given {where.shape} and {codes.shape}")
    if not len(where):
        raise InputRejected("there are no points to draw")
    if codes.dtype.kind not in "iu" or codes.min() < -1 or codes.max() >= len(names):
        raise UsageError(f"classes must be indices of {len(names)} names, or -1")
    ringed = np.zeros(len(where), np.bool_) if selected is None else np.asarray(selected)
    if ringed.shape != codes.shape or ringed.dtype != np.bool_:
        raise UsageError(f"selected must be ({len(where)},) booleans; given {ringed.dtype} {ringed.shape}")
    unknown = int((~np.isfinite(where)).any(axis=1).sum())
    if unknown:
        raise InputRejected(f"{unknown} of {len(where)} points are not finite")
    return where, codes.astype(np.int64), ringed


def _colours(codes: Codes) -> dict[int, str]:
    """Return the colour of each class that has one, in class order, and of -1."""
    present, counts = np.unique(codes[codes >= 0], return_counts=True)
    if len(present) > _CLASSES:
        biggest = np.argsort(-counts, kind="stable")[: _CLASSES - 1]
        present = np.sort(present[biggest])
    return {**dict(zip(present.tolist(), _COLOURS, strict=False)), -1: _UNKNOWN}


def _legend(axes: Axes, codes: Codes, colours: dict[int, str], names: Sequence[str], ringed: int) -> None:
    """List the classes that have points, with how many."""
    entries = [
        (canvas.plain(names[code], 26), colour, int((codes == code).sum()))
        for code, colour in colours.items()
        if code >= 0
    ]
    others = np.setdiff1d(codes, list(colours))
    if len(others):
        entries.append((f"{len(others)} other classes", _OTHERS, int(np.isin(codes, others).sum())))
    if (codes < 0).any():
        entries.append(("class not known", _UNKNOWN, int((codes < 0).sum())))
    handles = [_dot(colour) for _, colour, _ in entries]
    words = [f"{name} ({count:,})" for name, _, count in entries]
    if ringed:
        handles.append(_dot("none", edge="black"))
        words.append(f"selected ({ringed:,})")
    canvas.beside(axes, handles, words, handletextpad=0.2, labelspacing=0.35)


def _dot(fill: str, edge: str = "none") -> Line2D:
    return Line2D([], [], linestyle="", marker="o", markersize=7, markerfacecolor=fill, markeredgecolor=edge)


def _bare(axes: Axes) -> None:
    """Take the scales away: distances in such a map have no unit."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(True)
    axes.set_aspect("equal", adjustable="datalim")
