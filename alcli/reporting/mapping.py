"""The embedding in the plane: labelled, selected and other images by t-SNE or PCA."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alcli import randomness
from alcli.choosing.source import Source
from alcli.errors import UsageError
from alcli.reporting.newest import Withheld
from alcli.reporting.page import Map

METHODS = ("tsne", "pca", "none")
POINTS = 3_000  # t-SNE of so many takes about 20 s on two cores
NAMES = {"tsne": "t-SNE", "pca": "PCA"}
_SPACES = ("embeddings", "triplet_embeddings")  # a user's own model may have given only the other
_WIDTH = 50  # principal components that t-SNE starts from
_FEWEST = 10  # points below which t-SNE shows nothing that PCA does not
_PERPLEXITY = 30.0
_DIGITS = 4

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]
Groups = dict[str, Positions]

logger = logging.getLogger("alcli")


def check_method(method: str) -> None:
    """Check that `method` is one of `METHODS`.

    Raises:
        UsageError: It is not.
    """
    if method not in METHODS:
        raise UsageError(f"there is no map by {method}", hint=f"--map {'|'.join(METHODS)}")


def draw_map(
    source: Source, selected: Positions, withheld: Withheld, *, method: str, seed: int
) -> Map | None:
    """Lay images out in the plane by the newest model's embeddings.

    Args:
        source: The pool and the newest model.
        selected: Rows of the newest round's images.
        withheld: What must not be shown.
        method: `tsne` or `pca`; `none` for no map.
        seed: Draws the images where there are too many, and starts t-SNE.

    Returns:
        At most 3,000 points; None without embeddings.
    """
    space = next((name for name in _SPACES if name in source.shapes), None)
    if method == "none" or space is None:
        return None
    everyone = _groups(source, selected, withheld)
    drawn = _sample(source, everyone, seed)
    rows = np.concatenate(list(drawn.values()))
    if not len(rows):
        return None
    points = source.store.read([space], source.manifest.keys[rows])[space].astype(np.float32)
    if len(points) < _FEWEST:
        method = "pca"
    logger.info("laying out %d images by %s", len(points), NAMES[method])
    places = in_unit_square(project(points, method, seed))
    return Map(
        about=_told(method, everyone, drawn),
        x=places[:, 0].tolist(),
        y=places[:, 1].tolist(),
        classes=_classes(source, rows, withheld).tolist(),
        kinds=[kind for kind, members in drawn.items() for _ in members],
        file_names=[str(name) for name in source.manifest.strings("file_name", rows)],
        names=source.classes,
    )


def project(points: Floats, method: str, seed: int) -> Floats:
    """Bring points to the plane.

    Args:
        points: (p, d).
        method: `tsne` (van der Maaten & Hinton, 2008, in van der Maaten's Barnes-Hut form, 2014, started from
            the first two principal components) or `pca`.
        seed: Of t-SNE.

    Returns:
        (p, 2); all zeros where the points do not differ.
    """
    import sklearn.manifold
    import threadpoolctl

    seed = randomness.derive_seed(seed, "map") % 2**32
    with threadpoolctl.threadpool_limits(1, "blas"):  # sums must not depend on the number of cores
        components = _principal(points, seed)
        if method == "pca" or not components.any():
            return components[:, :2]
        start = components[:, :2] / components[:, 0].std() * 1e-4  # as small as its authors start
        tsne = sklearn.manifold.TSNE(
            perplexity=min(_PERPLEXITY, (len(points) - 1) / 3), init=start, random_state=seed
        )
        return np.asarray(tsne.fit_transform(components), np.float32)


def in_unit_square(places: Floats) -> NDArray[np.float64]:
    """Return (p, 2) places moved and scaled into [0, 1], both axes alike, rounded to four digits."""
    middle = (places.max(axis=0) + places.min(axis=0)) / 2.0
    span = float((places.max(axis=0) - places.min(axis=0)).max()) or 1.0
    scaled = (places.astype(np.float64) - middle) / span + 0.5
    rounded: NDArray[np.float64] = np.round(scaled.clip(0.0, 1.0), _DIGITS)
    return rounded


def fair_shares(counts: Sequence[int], total: int) -> list[int]:
    """Divide `total` places among groups: equally, but what a group does not need goes to the others.

    >>> fair_shares([20, 900, 60_000], 3_000)
    [20, 900, 2080]
    """
    shares = [0] * len(counts)
    left = total
    for served, group in enumerate(sorted(range(len(counts)), key=lambda at: counts[at])):
        shares[group] = min(counts[group], left // (len(counts) - served))
        left -= shares[group]
    return shares


def _principal(points: Floats, seed: int) -> Floats:
    """Return (p, at least 2) leading principal components."""
    import sklearn.decomposition

    width = min(_WIDTH, *points.shape)
    components = np.zeros((len(points), max(width, 2)), np.float32)
    if np.ptp(points, axis=0).any():
        found = sklearn.decomposition.PCA(width, random_state=seed).fit_transform(points)
        components[:, :width] = found
    return components


def _groups(source: Source, selected: Positions, withheld: Withheld) -> Groups:
    """Return rows that have embeddings: selected in the newest round, labelled, and the rest of the pool.

    An image whose label must not be shown is as any other of the pool.
    """
    manifest = source.manifest
    scored = source.store.locate(manifest.keys) >= 0
    mine = np.zeros(len(manifest), np.bool_)
    mine[selected[selected >= 0]] = True
    labelled = np.zeros(len(manifest), np.bool_)
    labelled[source.teachers] = True
    labelled &= ~withheld.labels
    kinds = {"p": (manifest.pool | withheld.labels) & ~mine, "l": labelled & ~mine, "s": mine}
    return {kind: np.flatnonzero(mask & scored) for kind, mask in kinds.items()}


def _sample(source: Source, groups: Groups, seed: int) -> Groups:
    """Return at most `POINTS` rows, drawn by the images' keys."""
    keys = source.manifest.keys
    drawn = {}
    shares = fair_shares([len(rows) for rows in groups.values()], POINTS)
    for (kind, rows), share in zip(groups.items(), shares, strict=True):
        order = np.argsort(randomness.uniform(seed, "map", keys[rows]), kind="stable")
        drawn[kind] = np.sort(rows[order[:share]])
    return drawn


def _classes(source: Source, rows: Positions, withheld: Withheld) -> NDArray[np.int64]:
    """Return (p,) the label's code, else the prediction's, where they may be seen, else -1."""
    codes = np.full(len(rows), -1, np.int64)
    if "prediction" in source.shapes:
        found = source.store.read(["prediction"], source.manifest.keys[rows])["prediction"]
        named = (found >= 0) & (found < len(source.classes)) & ~withheld.guesses[rows]
        codes[named] = found[named]
    known = {name: code for code, name in enumerate(source.classes)}
    for at, label in enumerate(source.manifest.strings("label", rows)):
        if label is not None and not withheld.labels[rows[at]]:
            codes[at] = known[label]
    return codes


def _told(method: str, everyone: Groups, drawn: Groups) -> str:
    """Say how the map was made, of which images, and what was left out."""
    words = {"s": "selected", "l": "labelled", "p": "other"}
    parts = [
        f"{len(drawn[kind]):,} {word}"
        + (f" of {len(everyone[kind]):,}" if len(drawn[kind]) < len(everyone[kind]) else "")
        for kind, word in words.items()
        if len(everyone[kind])
    ]
    return f"{NAMES[method]} of the newest model's embeddings: {', '.join(parts)} images"
