"""DropQuery: images whose predicted class changes when parts of their features are dropped, spread by k-means."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from alcli import randomness
from alcli.geometry import clustering, distances
from alcli.parameters import Range
from alcli.strategies._batch import Batch, Floats, Rows, Singles, filled
from alcli.strategies._strategy import batch

_CLUSTERS = 2_000  # at most; above, clusters give more than one image
_ENOUGH = 25  # candidates per image to pick, of the released code
_BLOCK_VALUES = 2**22  # logits at a time: 16 MiB


@batch(
    paper="Gupte et al., 2024, arXiv:2401.14555; released code sanketx@aa015d2",
    cost="O(passes·n·d·c) + k-means of 25·k images or more with k clusters",
    memory="12·n + 8·d for each candidate",
    prefix=False,
    candidates="margin",
)
def dropquery(
    embeddings: Singles,
    margin: Floats,
    *,
    head_weights: Singles,
    head_bias: Singles,
    seed: int,
    k: int,
    passes: Annotated[int, Range(1, 100)] = 3,
    rate: Annotated[float, Range(0, 0.99)] = 0.75,
) -> Batch:
    """Take images whose class changes when features are dropped, nearest to each of k centroids.

    Args:
        embeddings: (n, d), the inputs of the model's last layer.
        margin: (n,) p1 - p2: the smallest come first among equals, and fill up.
        head_weights: (c, d) of the model's last layer.
        head_bias: (c,).
        seed: Of the features that are dropped, which are the same ones for all images, and of the first
            centroids.
        k: Images to pick.
        passes: M, each with other features dropped.
        rate: The share of features that a pass drops.

    Returns:
        k rows, those that changed in most passes first; the score is the share of passes that changed the
        class. Candidates are images that more than half of the passes changed; fewer passes suffice where
        there are not 25·k of them.
    """
    rng = np.random.default_rng(randomness.derive_seed(seed, "dropquery"))
    masks = rng.random((passes, embeddings.shape[1])) >= rate
    changes = _changes(embeddings, head_weights, head_bias, masks / (1 - rate))
    rows, threshold = candidates(changes, passes, _ENOUGH * k)
    points = distances.unit(embeddings[rows])
    clusters = min(k, _CLUSTERS)
    found = clustering.kmeans(points, clusters, seed=seed, purpose="dropquery")
    picked = _nearest_of_each(found, k)
    picked = picked[np.lexsort((rows[picked], margin[rows[picked]], -changes[rows[picked]]))]
    by_margin = rows[np.lexsort((rows, margin[rows]))]
    done = filled(rows[picked], changes[rows[picked]] / passes, k, by_margin)
    labels = found.labels[np.searchsorted(rows, done.rows)]
    notes = clustering.approximations(len(rows), clusters)
    if k > _CLUSTERS:
        notes.append(f"{clusters:,} clusters that give images by their size, in place of {k:,} clusters")
    quality = {
        "candidates": len(rows),
        "passes_that_change_at_least": threshold,
        "mean_share_of_changes": float(changes[done.rows].mean() / passes),
    }
    return Batch(done.rows, done.scores, done.reasons, labels, quality, notes)


def _changes(
    embeddings: Singles, weights: Singles, bias: Singles, masks: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return how many passes predict another class than the whole features do, (n,).

    A mask of features is as well one of the head's weights: so all passes are one product.
    """
    classes = len(weights)
    heads = np.concatenate([weights[None], weights * masks[:, None]]).astype(np.float32)  # (1 + passes, c, d)
    stacked, biases = heads.reshape(-1, embeddings.shape[1]).T, np.tile(bias, len(heads)).astype(np.float32)
    changes = np.empty(len(embeddings), np.int64)

    def count(rows: slice) -> None:
        logits = embeddings[rows] @ stacked + biases
        votes = logits.reshape(-1, len(heads), classes).argmax(axis=2)  # (rows, 1 + passes)
        changes[rows] = mismatches(votes)

    step = max(1, _BLOCK_VALUES // len(biases))
    distances.in_threads(count, [slice(start, start + step) for start in range(0, len(embeddings), step)])
    return changes


def mismatches(votes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many of the other columns differ from the first, (n, 1 + passes) -> (n,)."""
    return np.asarray((votes[:, 1:] != votes[:, :1]).sum(axis=1))


def candidates(changes: NDArray[np.int64], passes: int, enough: int) -> tuple[Rows, int]:
    """Return the rows that more than half of the passes changed, or fewer passes until there are enough.

    Returns:
        Ascending rows, and the number of changes that each has at least.
    """
    threshold = passes // 2 + 1  # the smallest number above half
    while threshold and np.count_nonzero(changes >= threshold) < enough:
        threshold -= 1
    return np.flatnonzero(changes >= threshold), threshold


def _nearest_of_each(found: clustering.Clusters, k: int) -> Rows:
    """Return the points nearest to each centre: one, or a share of k by the cluster's size.

    Fewer than k are returned where clusters are empty, as images are equal.
    """
    sizes = np.bincount(found.labels, minlength=len(found.centres))
    quotas = np.minimum(sizes, 1)
    if k > len(sizes):
        quotas = shares(sizes, k)
    order = np.lexsort((np.arange(len(found.labels)), found.distances, found.labels))
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[place < np.repeat(quotas, sizes)]


def shares(sizes: Rows, k: int) -> Rows:
    """Divide k in proportion to sizes, by largest remainder; k ≤ Σ sizes, and no share exceeds its size."""
    ideal = sizes * (k / sizes.sum())
    quotas = np.minimum(np.floor(ideal + 1e-9).astype(np.int64), sizes)
    rest = k - quotas.sum()
    room = np.where(quotas < sizes, ideal - quotas, -np.inf)
    quotas[np.argsort(-room, kind="stable")[:rest]] += 1
    return np.asarray(quotas)
