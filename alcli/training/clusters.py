"""What clusters begin with, and what they are drawn to: first centres, and the target distribution."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alcli.losses.clustering import target
from alcli.networks import Classifier
from alcli.randomness import derive_seed
from alcli.training.batches import Positions, in_order
from alcli.training.evaluation import EVALUATED_AT_ONCE, class_centres, outputs_of
from alcli.training.inputs import Examples

REFRESH = 80  # steps between two looks at the pool
LOOKED_AT = 50_000  # images of which the masses of the clusters are summed: all of a pool that has no more


def first_centres(encoder: nn.Module, learned: Examples, pool: Examples, classes: int) -> Tensor:
    """Return the (c, d) mean code of each class; one without a label gets a code far from all centres so far.

    Args:
        encoder: Makes codes of images.
        learned: Labelled images.
        pool: All images, -1 for those without a label.
        classes: c.
    """
    encoder.eval()
    centres = class_centres(outputs_of(encoder, learned).numpy(), learned.codes, classes)
    absent = np.setdiff1d(np.arange(classes), learned.codes)
    if len(absent):
        free = np.flatnonzero(pool.codes < 0) if (pool.codes < 0).any() else np.arange(len(pool))
        points = outputs_of(encoder, pool, free).numpy().astype(np.float64)
        centres[absent] = farthest_first(points, np.delete(centres, absent, axis=0), len(absent))
    return torch.from_numpy(centres)


def farthest_first(
    points: NDArray[np.float64], centres: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Return `count` of the points (n, d), each the farthest from the centres (p, d) and those taken before it.

    Of points equally far the first is taken; one comes again where there are fewer than `count`.
    """
    squares = np.full(len(points), np.inf)
    for centre in centres:
        squares = np.minimum(squares, np.square(points - centre).sum(axis=1))
    taken = np.empty((count, points.shape[1]))
    for number in range(count):
        taken[number] = points[int(squares.argmax())]
        squares = np.minimum(squares, np.square(points - taken[number]).sum(axis=1))
    return taken


class Targets:
    """The target distribution P of the images of the coming steps.

    Every 80 steps, and at the start of every epoch, a look is taken: the masses of the clusters are summed, and Q
    of the images of the next 80 steps is kept to make P of. So memory does not grow with the pool, and a resumed
    training needs no more than the weights. Above 50,000 images the masses are those of a sample of so many, for P
    needs their ratios alone; the standard error of the mass of a cluster with a hundredth of the images is at most
    4.5 % of it. So the time of an epoch grows with the pool, not with its square.

    Args:
        classifier: Assigns images to clusters.
        pool: All images.
        seed: Draws the sample, once.

    Attributes:
        sample: Positions of the images of which masses are summed, ascending.
        sizes: (c,) how many of these were nearest to each centre at the last look.
    """

    def __init__(self, classifier: Classifier, pool: Examples, *, seed: int) -> None:
        self.classifier = classifier
        self.pool = pool
        self.sample = _sample(len(pool), seed)
        self.sizes: NDArray[np.int64] = np.zeros(0, np.int64)
        self._orders: list[Positions] = []
        self._step = 0
        self._kept: Positions = np.empty(0, np.int64)
        self._targets = torch.empty(0)

    def begin(self, orders: list[Positions]) -> None:
        """Begin an epoch of these batches."""
        self._orders, self._step = orders, 0

    def next(self) -> Tensor:
        """Return P (b, c) of the images of the next batch."""
        if self._step % REFRESH == 0:
            self._look(self._orders[self._step : self._step + REFRESH])
        order = self._orders[self._step]
        self._step += 1
        return self._targets[torch.from_numpy(np.searchsorted(self._kept, order))]

    @torch.no_grad()
    def _look(self, coming: list[Positions]) -> None:
        """Make P of the images of the coming batches."""
        self._kept = np.unique(np.concatenate(coming))
        seen = np.union1d(self.sample, self._kept)
        wanted, counted = (torch.from_numpy(np.isin(seen, part)) for part in (self._kept, self.sample))
        assigned: list[Tensor] = []
        masses, sizes = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)
        training = self.classifier.training
        self.classifier.eval()
        parts = in_order(len(seen), EVALUATED_AT_ONCE)
        for part, images in zip(parts, self.pool.inputs.batches([seen[part] for part in parts]), strict=True):
            q = self.classifier(images)[0].softmax(dim=1).cpu()  # (b, c)
            of_sample = q[counted[part]]
            masses = masses + of_sample.double().sum(dim=0)
            sizes = sizes + torch.bincount(of_sample.argmax(dim=1), minlength=q.shape[1])
            assigned.append(q[wanted[part]])
        self.classifier.train(training)
        self.sizes = sizes.numpy()
        self._targets = target(torch.cat(assigned).double(), masses).float()


def _sample(count: int, seed: int) -> Positions:
    """Return the positions of at most 50,000 of `count` images, ascending."""
    if count <= LOOKED_AT:
        return np.arange(count)
    rng = np.random.default_rng(derive_seed(seed, "clusters"))
    return np.sort(rng.choice(count, LOOKED_AT, replace=False))
