"""Pictures of a simulation, asked for as `[curves|precision|labels=]FILE`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alcli import plugins
from alcli.errors import InputRejected, UsageError
from alcli.simulation.methods import Method
from alcli.verdict import BASELINE, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from alcli.pictures import Bar

KINDS = ["curves", "precision", "labels"]


@dataclass(frozen=True)
class Drawing:
    """One picture.

    Attributes:
        kind: `curves`: learning curves. `precision`: of pseudo-labels. `labels`: how many each method needs.
        path: Where; its extension says which format.
    """

    kind: str
    path: Path

    @classmethod
    def parse(cls, text: str) -> Drawing:
        """Read `[KIND=]FILE`.

        Raises:
            UsageError: The kind is unknown, or pictures of this extension cannot be written.
        """
        from alcli import pictures

        kind, equals, name = text.partition("=")
        drawing = cls(kind, Path(name)) if equals and name else cls("curves", Path(text))
        if drawing.kind not in KINDS:
            raise UsageError(
                plugins.unknown("picture", drawing.kind, KINDS),
                hint="--plot curves.png --plot labels=bars.svg",
            )
        pictures.format_of(drawing.path)
        return drawing

    def check(self, methods: Sequence[Method], rounds: int) -> None:
        """Check that there will be something to draw.

        Args:
            methods: Those that the table will have.
            rounds: After the first labels.

        Raises:
            UsageError: There will not be.
        """
        if self.kind == "curves":
            return
        if not rounds:
            raise UsageError(
                f"--plot {self.kind}={self.path} draws what rounds add to the first labels, and there are none",
                hint="--rounds 10",
            )
        if self.kind == "precision" and not any(method.guesses for method in methods):
            raise UsageError(
                f"--plot precision={self.path}: no method has a model that labels anything",
                hint="--method random+confidence:threshold=0.9",
            )
        if self.kind == "labels" and not any(
            method.asks_people and method.name != BASELINE for method in methods
        ):
            raise UsageError(
                f"--plot labels={self.path}: no method beside {BASELINE} asks people for labels",
                hint="--method margin",
            )

    def draw(self, columns: Mapping[str, Sequence[Any]], verdict: Verdict) -> None:
        """Draw a simulation's results.

        Raises:
            InputRejected: There is nothing of this kind in them: methods failed, or no model was sure of anything.
            CannotWrite: The disk is full or read-only.
        """
        from alcli import pictures

        pictures.save(self._figure(columns, verdict), self.path)

    def _figure(self, columns: Mapping[str, Sequence[Any]], verdict: Verdict) -> Figure:
        from alcli import pictures

        if self.kind == "curves":
            return pictures.learning_curves(columns, metric=verdict.metric)
        if self.kind == "precision":
            return pictures.pseudo_precision(columns)
        return pictures.label_bars(_bars(verdict))


def _bars(verdict: Verdict) -> list[Bar]:
    """Return for each method the labels it needs for what random reaches with all, ± half an interval.

    A baseline has a bar, too: where its own ups and downs first reach it.
    """
    from alcli.pictures import Bar

    bars = []
    by_chance = verdict.by_chance
    for method in verdict.methods:
        compared = method.comparison or by_chance.get(method.name)
        if compared is None or compared.saving is None:
            continue
        whole, saving, seeds = compared.baseline_labels, compared.saving, len(compared.seeds)
        own = method.comparison is None
        share, reached = (saving.baseline_share, seeds) if own else (saving.share, saving.reached)
        half = None if share.half_width is None else whole * share.half_width
        needed = whole * (1 - share.mean) if reached == seeds else None
        bars.append(Bar(method.name, needed, half, whole, reached, seeds, own))
    if not bars:
        raise InputRejected(
            f"no method can be drawn beside {BASELINE}: none that asks people for labels came to its end"
        )
    return bars
