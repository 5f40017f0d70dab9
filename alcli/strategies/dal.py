"""Discriminative active learning: query what looks least like the labelled images."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from alcli import randomness
from alcli.errors import InputRejected
from alcli.parameters import Range
from alcli.strategies._batch import Batch, Floats, Rows, Singles
from alcli.strategies._strategy import batch

if TYPE_CHECKING:
    from alcli.networks.discriminator import Recipe, Verdict

    # Takes points, how many of them, the first, are labelled, and a seed.
    Discriminator = Callable[[Singles, int, int], Verdict]

logger = logging.getLogger("alcli")

_SHARPNESS = 100.0  # 1/0.01: images are drawn in proportion to exp((P - 1) / 0.01)


@batch(
    paper="Gissin & Shalev-Shwartz, 2019, arXiv:1907.06347, algorithm 1; settings of its released code",
    cost="O(q·e·l·d), q mini-queries of e epochs",
    memory="44·l·d",
    prefix=False,
)
def dal(
    embeddings: Singles,
    *,
    labelled_embeddings: Singles,
    k: int,
    seed: int,
    device: str,
    queries: Annotated[int, Range(1, 1_000)] = 20,
    subsample: Annotated[float, Range(1, 1_000)] = 10.0,
    stop_accuracy: Annotated[float, Range(0.5, 1)] = 0.98,
    epochs: Annotated[int, Range(0, 100_000)] = 0,
    class_weight: Literal["none", "balanced"] = "none",
    pick: Literal["best", "stochastic"] = "best",
) -> Batch:
    """Query what a classifier tells from the labelled images most surely.

    The batch is made in mini-queries. In each, a perceptron learns to tell the labelled images, and those
    picked before, from a random sample of the others; the images of the sample with the highest
    P(unlabelled) are picked.

    Args:
        embeddings: (n, d).
        labelled_embeddings: (l, d), l ≥ 1.
        k: Images to pick.
        seed: Of samples, first weights and shuffles.
        device: Where the perceptron is trained.
        queries: Mini-queries; one per image where k is less. Published: 20, and 10 for `stochastic`.
        subsample: Images that a mini-query looks at, as a multiple of those labelled or picked before.
        stop_accuracy: Training ends with the first epoch whose running accuracy is above this.
        epochs: At most so many; 0 stands for the published number for d, and fewer where rows are many.
        class_weight: "none", as the released code has it, where its weights are 1 by a slip; "balanced": by
            inverse frequency, and balanced accuracy decides when to stop.
        pick: "best", or "stochastic": draw in proportion to exp((P - 1) / 0.01).

    Returns:
        k rows; the score is P(unlabelled) when the image was picked. If k = n there is nothing to choose, and
        one perceptron orders all.

    Raises:
        InputRejected: l = 0.
    """
    n, labelled = len(embeddings), len(labelled_embeddings)
    if not labelled:
        raise InputRejected(
            "no labelled images: dal looks for images that differ from those",
            hint="--strategy kmeans, typiclust or random, which need none",
        )
    from alcli.networks import discriminator

    sizes = [n] if k == n else schedule(k, queries)
    how = discriminator.recipe(embeddings.shape[1])
    how = dataclasses.replace(how, stop=stop_accuracy, balanced=class_weight == "balanced")
    if epochs:
        how = dataclasses.replace(how, epochs=epochs)

    def discriminate(points: Singles, known: int, seed: int) -> Verdict:
        used = how if epochs else how.for_rows(len(points))
        return discriminator.discriminate(points, known, used, seed=seed, device=device)

    draw = _stochastic if pick == "stochastic" else _best
    run = _Run(embeddings, labelled_embeddings, subsample, discriminate, draw, seed)
    for size in sizes:
        run.query(size)
    run.warn_of_doubt(stop_accuracy)
    return run.batch(_notes(how, run, labelled, capped=not epochs))


def schedule(k: int, queries: int) -> list[int]:
    """Return the sizes of min(queries, k) mini-queries, the larger ones first: 7 in 3 are 3, 2 and 2."""
    count = min(queries, k)
    return [k // count + (number < k % count) for number in range(count)]


class _Run:
    """A batch in the making."""

    def __init__(
        self,
        embeddings: Singles,
        labelled: Singles,
        subsample: float,
        discriminate: Discriminator,
        draw: Callable[[Floats, int, np.random.Generator], Rows],
        seed: int,
    ) -> None:
        self.embeddings, self.labelled, self.subsample = embeddings, labelled, subsample
        self.discriminate, self.draw, self.seed = discriminate, draw, seed
        self.random = np.random.default_rng(randomness.derive_seed(seed, "dal"))
        self.rows = np.empty(0, np.int64)
        self.scores = np.empty(0)
        self.queries: list[dict[str, Any]] = []

    def query(self, size: int) -> None:
        """Pick `size` more rows."""
        sample = self._sample(size)
        known = len(self.labelled) + len(self.rows)
        points = np.empty((known + len(sample), self.embeddings.shape[1]), np.float32)
        points[: len(self.labelled)] = self.labelled
        others = np.concatenate([self.rows, sample])
        # With "clip", numpy writes straight into `out`; the rows are within bounds anyway.
        np.take(self.embeddings, others, axis=0, out=points[len(self.labelled) :], mode="clip")
        number = randomness.derive_seed(self.seed, "discriminator", len(self.queries))
        verdict = self.discriminate(points, known, number)
        picked = self.draw(verdict.unlabelled, size, self.random)
        self.rows = np.concatenate([self.rows, sample[picked]])
        self.scores = np.concatenate([self.scores, verdict.unlabelled[picked]])
        self.queries.append(
            {"images": size, "of": len(sample), "epochs": verdict.epochs, "accuracy": verdict.accuracy}
        )

    def warn_of_doubt(self, stop: float) -> None:
        """Say so where discriminators were used that never became as accurate as they should."""
        short = sum(query["accuracy"] <= stop for query in self.queries)
        if short:
            told = "dal: %d of %d discriminators stayed at or below an accuracy of %g; their last weights are used"
            logger.warning(told, short, len(self.queries), stop)

    def batch(self, approximations: list[str]) -> Batch:
        """Return what was picked."""
        quality = {"mini_queries": self.queries}
        return Batch(self.rows, self.scores, quality=quality, approximations=approximations)

    def _sample(self, size: int) -> Rows:
        """Draw the rows that a mini-query looks at, ascending, at least as many as it picks."""
        left = np.ones(len(self.embeddings), np.bool_)
        left[self.rows] = False
        rest = np.flatnonzero(left)
        wanted = max(size, int(self.subsample * (len(self.labelled) + len(self.rows))))
        if wanted >= len(rest):
            return rest
        return np.sort(self.random.choice(rest, wanted, replace=False))


def _best(unlabelled: Floats, size: int, _: np.random.Generator) -> Rows:
    """Return the positions of the highest, the smaller one of equals."""
    return np.argsort(-unlabelled, kind="stable")[:size]


def _stochastic(unlabelled: Floats, size: int, random: np.random.Generator) -> Rows:
    """Draw without replacement in proportion to exp((P - 1) / 0.01), by the largest of keys with Gumbel noise."""
    keys = (unlabelled - 1) * _SHARPNESS + random.gumbel(size=len(unlabelled))
    return np.argsort(-keys, kind="stable")[:size]


def _notes(how: Recipe, run: _Run, labelled: int, *, capped: bool) -> list[str]:
    """Say what is not as algorithm 1 has it."""
    n, first = len(run.embeddings), run.queries[0]["of"]
    notes = []
    if first < n:
        notes.append(f"each mini-query looks at a random sample, the first at {first:,} of {n:,} images")
    largest = max(query["of"] for query in run.queries) + labelled + len(run.rows)
    used = how.for_rows(largest)
    if capped and used != how:
        notes.append(
            f"discriminators are trained for {used.epochs} epochs at most, in batches of {used.batch}; "
            f"published: {how.epochs} and {how.batch}"
        )
    return notes
