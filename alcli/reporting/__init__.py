"""A pool's report: one HTML file that shows what was labelled, what was selected, and how good the model is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alcli import files
from alcli.errors import StepMissing, UsageError
from alcli.progress import Progress, silent
from alcli.project import Project
from alcli.reporting.comparing import two_names
from alcli.reporting.composing import Options, compose
from alcli.reporting.page import Page
from alcli.reporting.rendering import render

__all__ = ["Options", "ReportSummary", "report", "two_names"]

DEFAULTS = Options()
_EXTENSIONS = (".html", ".htm")


@dataclass(frozen=True)
class ReportSummary:
    """What a report holds.

    Attributes:
        path: Where it is.
        bytes: How large it is.
        rounds: Rounds of the pool.
        cards: Images on the contact sheet.
        omitted: Selected images that are not on it.
        points: Images on the map.
        problems: Images that take no part.
    """

    path: Path
    bytes: int
    rounds: int
    cards: int
    omitted: int
    points: int
    problems: int


def report(
    project: Project, output: Path, options: Options = DEFAULTS, *, progress: Progress = silent
) -> ReportSummary:
    """Write the report of a pool, whole or not at all.

    It only reads, so it may run beside another alcli. The page tells the time of the pool's last change, not of
    its own making: the same state and options give the same bytes.

    Args:
        project: The pool.
        output: The HTML file; its folder is made if it is missing.
        options: What to show.
        progress: Told of every batch of thumbnails.

    Raises:
        StepMissing: There is no manifest; or no embeddings, which a picture of the map needs.
        UsageError: `output` is not called `.html`; or an option is unknown or out of range.
        CannotWrite: The disk is full or read-only.
    """
    project.require_manifest()
    _check_output(output)
    if options.map_picture is not None:
        _check_picture(options)
    page = compose(project, output, options, progress)
    content = render(page).encode()
    if options.map_picture is not None:
        _draw(project, page, options.map_picture)
    files.write_bytes(output, content)
    return ReportSummary(
        path=output,
        bytes=len(content),
        rounds=max(0, len(page.rounds) - 1),
        cards=len(page.sheet.cards) if page.sheet else 0,
        omitted=page.sheet.omitted if page.sheet else 0,
        points=len(page.map.x) if page.map else 0,
        problems=len(page.problems) + page.omitted_problems,
    )


def _check_picture(options: Options) -> None:
    """Refuse a picture that cannot be, before anything is decoded."""
    from alcli import pictures

    pictures.format_of(options.map_picture or Path())
    if options.map == "none":
        raise UsageError("--map-picture draws the map, and --map none makes none", hint="--map pca")


def _draw(project: Project, page: Page, path: Path) -> None:
    """Draw the embedding map as papers do: images by class, the selected ones ringed."""
    from alcli import pictures

    if page.map is None:
        raise StepMissing(
            "no embeddings are known, so there is no map to draw", hint=project.command("score")
        )
    found = page.map
    selected = [kind == "s" for kind in found.kinds]
    points = list(zip(found.x, found.y, strict=True))
    pictures.save(pictures.embedding_map(points, found.classes, found.names, selected=selected), path)


def _check_output(output: Path) -> None:
    """Refuse, before anything is decoded, an output that cannot be, or that is no page."""
    if output.suffix.lower() not in _EXTENSIONS:
        raise UsageError(
            f"--output {output} does not end in .html", hint=f"--output {output.with_suffix('.html')}"
        )
    files.require_place(output)
