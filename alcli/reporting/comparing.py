"""How alike two strategies rank the same images, by the newest model's saved signals; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alcli import accelerated, ledger, ranking
from alcli.choosing import AUTO, Chooser
from alcli.errors import InputRejected, PoolExhausted, Remedy, StepMissing, UsageError
from alcli.fingerprint import Fingerprint
from alcli.project import Project
from alcli.request import Request

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Comparison:
    """The ranks of the same images by two strategies.

    Attributes:
        names: The two strategies, as they ran.
        rows: (n,) rows of the manifest that both rank, ascending.
        ranks_a: (n,) their ranks by the first strategy, from 1; all different, not always without gaps.
        ranks_b: (n,) by the second.
        rho: Spearman's rank correlation in [-1, 1]; None for fewer than two images.
        k: Images that each selects.
        overlap: How many of them both select.
        jaccard: The same as a share of all that either selects, in [0, 1].
        about: What is compared, in words.
    """

    names: tuple[str, str]
    rows: Rows
    ranks_a: Rows
    ranks_b: Rows
    rho: float | None
    k: int
    overlap: int
    jaccard: float
    about: str


@dataclass(frozen=True)
class _Ranking:
    """What one strategy makes of the pool.

    Attributes:
        name: The strategy.
        rows: (m,) rows of the manifest, best first.
        whole: Whether the strategy ranks every image; if not, it picks `rows` together.
        notes: What was not computed exactly, or for all images, in words.
    """

    name: str
    rows: Rows
    whole: bool
    notes: list[str]


def two_names(text: str) -> tuple[str, str]:
    """Read the names of two strategies, as in `margin,dal`.

    Raises:
        UsageError: There are not two, or one twice, or one is unknown.
    """
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise UsageError(f"--compare {text} does not name two strategies", hint="--compare margin,entropy")
    for name in names:
        if name != AUTO:
            ranking.find(name)
    return names[0], names[1]


def compare(
    project: Project, names: tuple[str, str], *, k: str = "100", seed: int = 0, device: str = "auto"
) -> Comparison:
    """Rank the pool by two strategies, as `select` would, and compare (Gissin & Shalev-Shwartz, 2019, Fig. 3).

    A strategy that scores each image by itself ranks the whole pool. One that picks images together ranks its
    k picks only, in pick order: then only these are compared. Images that are out for labelling take part, so
    the answer is the same before and after `select`.

    Args:
        project: The pool.
        names: Two strategies.
        k: Images to select: a number, or a share of the pool such as `5%`.
        seed: Drives every random choice.
        device: Where strategies compute that can use it.

    Raises:
        UsageError: A strategy is unknown, or `k` is neither a number from 1 nor a share.
        StepMissing: There is no manifest or model, or signals are missing that `alcli` can compute.
        InputRejected: A user's own model has no signals for some of the images.
        PoolExhausted: No image can be queried.
    """
    project.require_manifest()
    manifest = ledger.read(project)
    rounds_open = bool(manifest.open_rounds)
    manifest = manifest.assign(manifest.out, queried_round=None)
    n = int(manifest.queryable.sum())
    if not n:
        raise PoolExhausted("nothing left to rank: no image can be queried", hint=project.command("status"))
    budget = min(Request(k=k).budget(n), n)
    device = accelerated.device_for(device)
    choosers = [
        Chooser.build(project, manifest, Request(name, k=k, seed=seed), device=device) for name in names
    ]
    for chooser in choosers:
        _require_signals(chooser, rounds_open=rounds_open)
    first, second = map(_rank, choosers)
    return _compared(first, second, len(manifest), n, budget)


def _compared(first: _Ranking, second: _Ranking, size: int, n: int, k: int) -> Comparison:
    """Compare two rankings of n images of a manifest of `size` rows, of which each selects k."""
    ranks_a, ranks_b = _ranks(first, size), _ranks(second, size)
    rows = np.flatnonzero((ranks_a > 0) & (ranks_b > 0))
    overlap = len(np.intersect1d(first.rows[:k], second.rows[:k]))
    union = len(np.union1d(first.rows[:k], second.rows[:k]))
    return Comparison(
        names=(first.name, second.name),
        rows=rows,
        ranks_a=ranks_a[rows],
        ranks_b=ranks_b[rows],
        rho=_spearman(ranks_a[rows], ranks_b[rows]),
        k=k,
        overlap=overlap,
        jaccard=overlap / union,
        about=_about(first, second, n, len(rows)),
    )


def _rank(chooser: Chooser) -> _Ranking:
    name, round_ = chooser.plan.strategy.name, chooser.source.manifest.round + 1
    if chooser.plan.strategy.kind == "batch":
        choice = chooser.choose(round_)
        return _Ranking(name, choice.rows, whole=False, notes=choice.approximations)
    field = chooser.field(round_, Fingerprint())
    scores = chooser.scores(field, Fingerprint())
    order = ranking.top(scores, field.keys[field.eligible], len(field.eligible))
    return _Ranking(name, field.rows[field.eligible[order]], whole=field.whole, notes=field.approximations)


def _require_signals(chooser: Chooser, *, rounds_open: bool) -> None:
    """Refuse what `select` would have to compute first.

    While a round is open, `select` by another strategy is refused, or sends more images out.

    Raises:
        StepMissing: Some images have no signals.
        InputRejected: They have none, and the model is a user's own.
    """
    source, name = chooser.source, chooser.plan.strategy.name
    project, lacking = source.project, chooser.unscored()
    if len(lacking) and source.record and source.record.external:
        raise InputRejected(
            f"{len(lacking)} images that the ranking needs have no signals from model {source.record.id}",
            hint=project.command("score", "--from", "OUTPUTS.parquet"),
            details=[str(file_name) for file_name in source.manifest.strings("file_name", lacking)],
        )
    if len(lacking):
        raise StepMissing(f"{len(lacking)} images have no signals yet", hint=project.command("score"))
    if chooser.probe and len(lacking := chooser.unprobed()):
        what = f"{len(lacking)} candidates lack {chooser.probe.replace('_', ' ')}, which {name} needs"
        if rounds_open:
            raise StepMissing(
                what,
                hint=f"select computes them when it selects by {name}",
                remedies=[Remedy(("--compare=margin,entropy",), "these two need nothing more than scores")],
            )
        raise StepMissing(what, hint=project.command("select", "--strategy", name, "-k", chooser.request.k))


def _ranks(found: _Ranking, n: int) -> Rows:
    """Return the rank of each of the manifest's n rows, from 1; 0 for those that are not ranked."""
    ranks = np.zeros(n, np.int64)
    ranks[found.rows] = np.arange(1, len(found.rows) + 1)
    return ranks


def _spearman(first: Rows, second: Rows) -> float | None:
    """Return Spearman's correlation of ranks that are all different; None where there are fewer than two."""
    from scipy import stats  # takes half a second to import

    if len(first) < 2:
        return None
    return float(stats.spearmanr(first, second).statistic)


def _about(first: _Ranking, second: _Ranking, n: int, common: int) -> str:
    """Say what is compared."""
    if first.whole and second.whole:
        about = f"ranks of {n:,} images by {first.name} and by {second.name}"
    elif first.whole or second.whole:
        part, other = (second, first) if first.whole else (first, second)
        about = (
            f"{part.name} ranks {len(part.rows):,} of {n:,} images: their order against their ranks by "
            f"{other.name} among all {n:,}"
        )
    else:
        about = (
            f"{first.name} ranks {len(first.rows):,} of {n:,} images and {second.name} {len(second.rows):,}: "
            f"the {common:,} that both rank are compared"
        )
    return "; ".join([about, *dict.fromkeys([*first.notes, *second.notes])])
