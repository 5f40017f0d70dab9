"""Pictures of what was measured: each function returns a matplotlib `Figure`; `save` and `svg` write it.

Only matplotlib's objects are used, never pyplot: nothing is registered, no window system is asked for, and a
user's `matplotlibrc` changes nothing. Same input, same bytes. This package imports matplotlib, which takes a
while: import it where a picture is drawn.
"""

from __future__ import annotations

from alcli.pictures import quiet  # noqa: F401 - first of all, as it says
from alcli.pictures.bars import Bar, label_bars
from alcli.pictures.curves import METRICS, learning_curves, pseudo_precision
from alcli.pictures.embedding import embedding_map
from alcli.pictures.ranks import rank_scatter
from alcli.pictures.saving import format_of, save, svg

__all__ = [
    "METRICS",
    "Bar",
    "embedding_map",
    "format_of",
    "label_bars",
    "learning_curves",
    "pseudo_precision",
    "rank_scatter",
    "save",
    "svg",
]
