"""From a pool to a page: every section's facts are gathered here, and the thumbnails that they share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alcli import ledger, summary
from alcli.choosing.source import Source
from alcli.images.thumbnails import thumbnails
from alcli.progress import Progress, silent
from alcli.project import Project
from alcli.reporting import comparing, label_quality, mapping, newest, sheet
from alcli.reporting.confusion import confusion
from alcli.reporting.history import history
from alcli.reporting.links import Links
from alcli.reporting.newest import Newest, Withheld
from alcli.reporting.overview import overview
from alcli.reporting.page import LabelQuality, Map, Page, Sheet
from alcli.reporting.problems import problems

DEFAULT_K = "100"  # images that compared strategies select, before there is a round


@dataclass(frozen=True)
class Options:
    """What a report shows.

    Attributes:
        compare: Two strategies whose ranks are drawn against each other; None for no comparison.
        max_cards: Images on the contact sheet, at most.
        map: `tsne`, `pca` or `none`.
        map_picture: Where to draw the map for a paper, too; None for nowhere.
        seed: Draws the points of the map.
        workers: Decoding processes; None is one per core.
    """

    compare: tuple[str, str] | None = None
    max_cards: int = 5_000
    map: str = "tsne"
    map_picture: Path | None = None
    seed: int = 0
    workers: int | None = None


def compose(project: Project, output: Path, options: Options, progress: Progress = silent) -> Page:
    """Gather everything that a report shows; nothing is written.

    Sections for which something is missing, such as a model, its signals or a round, are left out.

    Args:
        project: The pool.
        output: Where the page will be, for the addresses of images.
        options: What to show.
        progress: Told of every batch of thumbnails.

    Raises:
        StepMissing: There is no manifest; or no model or signals, which a comparison needs.
        UsageError: An option is unknown or out of range.
        PoolExhausted: No image is left to compare strategies on.
    """
    mapping.check_method(options.map)
    project.require_manifest()
    manifest = ledger.read(project)
    source = Source.of(project, manifest)
    latest = Newest.of(project, manifest)
    picture, about = _comparison(project, latest, options)
    withheld = Withheld.of(project, manifest)
    cards = (
        sheet.lay_out(source, latest, withheld, Links(project.pool, output), limit=options.max_cards)
        if latest
        else None
    )
    selected = latest.rows if latest else np.empty(0, np.int64)
    points = mapping.draw_map(source, selected, withheld, method=options.map, seed=options.seed)
    quality = label_quality.label_quality(
        project, manifest, withheld, digest=str(summary.read(project)["digest"])
    )
    cards, points, quality = _pictured(project, cards, points, quality, options.workers, progress)
    found, more = problems(manifest, withheld.labels)
    return Page(
        overview=overview(project, source.record),
        class_names=manifest.classes,
        rounds=history(project, manifest),
        histogram=newest.histogram(latest) if latest else None,
        sheet=cards,
        map=points,
        confusion=confusion(source),
        quality=quality,
        problems=found,
        omitted_problems=more,
        comparison=picture,
        comparison_about=about,
    )


def _comparison(project: Project, latest: Newest | None, options: Options) -> tuple[str, str]:
    """Draw the ranks of two strategies, each asked for as many images as the newest round has; say of what."""
    if options.compare is None:
        return "", ""
    from alcli import pictures  # matplotlib takes a second to import

    k = str(latest.about["k"]) if latest and latest.about else DEFAULT_K
    found = comparing.compare(project, options.compare, k=k, seed=options.seed)
    figure = pictures.rank_scatter(
        found.ranks_a, found.ranks_b, names=found.names, spearman=found.rho, k=found.k
    )
    both = f"{found.overlap:,} of {found.k:,} are selected by both, {found.jaccard:.0%} of all that either selects"
    return pictures.svg(figure, prefix="comparison", title=found.about), f"{found.about}; {both}"


def _pictured(
    project: Project,
    cards: Sheet | None,
    points: Map | None,
    quality: LabelQuality | None,
    workers: int | None,
    progress: Progress,
) -> tuple[Sheet | None, Map | None, LabelQuality | None]:
    """Decode every image once, wherever on the page it is shown."""
    on_sheet = [] if cards is None else [*(card.file_name for card in cards.cards), *cards.neighbours]
    on_map = [] if points is None else points.file_names
    doubted = [] if quality is None else [one.file_name for one in quality.suspects]
    names = list(dict.fromkeys([*on_sheet, *on_map, *doubted]))
    paths = [str(project.pool / name) for name in names]
    urls = dict(zip(names, thumbnails(paths, workers=workers, progress=progress), strict=True))
    if cards is not None:
        cards = sheet.with_thumbnails(cards, urls)
    if points is not None:
        known = set(on_sheet)
        own = {at: urls[name] for at, name in enumerate(on_map) if name not in known and urls[name]}
        points = dataclasses.replace(points, thumbnails=own)
    if quality is not None:
        quality = label_quality.with_thumbnails(quality, urls)
    return cards, points, quality
