"""DeepFool (Moosavi-Dezfooli, Fawzi & Frossard, 2016, arXiv 1511.04599, algorithm 2), for whole batches.

As in DFAL (Ducoffe & Precioso, 2018, arXiv 1802.09841) steps do not overshoot and pixels are not clipped. An
image without overshoot comes to lie on the boundary itself, where rounding decides on which side; so its class
counts as changed as soon as another's logit is equal but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from alcli.errors import UsageError

CLASSES = 10  # the predicted one among them
STEPS = 10
NEVER = 1e6  # in front of the first step's distance where the class never changed: larger than any other
_EQUAL = 1e-5  # of the largest logit: difference that counts as rounding
_FLAT = 1e-12  # length of a gradient that points nowhere

Logits = Callable[[Tensor], Tensor]


class _Step(NamedTuple):
    """A step for each of a images.

    Attributes:
        distances: (a,) to the nearest boundary of the linearised network; infinite where it is flat.
        moves: (a, …) the step there; 0 where it is flat.
    """

    distances: Tensor
    moves: Tensor


def adversarial_distances(
    logits: Logits, images: Tensor, *, classes: int = CLASSES, steps: int = STEPS
) -> Tensor:
    """Return how far each image is from an image of another class, as far as DeepFool finds one.

    Memory is that of one backward pass, and of one gradient for each class; an image whose class has changed
    leaves the batch.

    Args:
        logits: The classifier, (b, …) to (b, c); each row depends on its own image alone.
        images: (b, …), as the network takes them.
        classes: The likeliest so many, the predicted one among them, are tried; exact where it is c or more.
        steps: At most so many.

    Returns:
        (b,) float64, finite: the Euclidean length of the perturbation, in units of the normalised input. Where
        the class never changed: `NEVER`, plus the distance of the first step, at most `NEVER` (where all
        gradients are zero).

    Raises:
        UsageError: There is one class.
    """
    with torch.no_grad():
        values = logits(images).float()  # (b, c)
    if values.shape[1] < 2:
        raise UsageError("one class has no boundary: deepfool needs a model of two classes or more")
    ranked = values.argsort(dim=1, descending=True, stable=True)
    predicted, others = ranked[:, 0], ranked[:, 1:classes].sort(dim=1).values  # ties go to the lowest class
    found = torch.full((len(images),), 2 * NEVER, dtype=torch.float64, device=images.device)
    found[~values.isfinite().all(dim=1)] = torch.nan  # not hidden: who saves it refuses it
    moved = torch.zeros_like(images)
    changed = _changed(values, predicted)
    found[changed] = 0
    active = (~changed).nonzero()[:, 0]
    for number in range(steps):
        if not len(active):
            break
        step = _step(logits, images[active] + moved[active], predicted[active], others[active])
        if number == 0:
            found[active] += step.distances.double().clamp(max=NEVER) - NEVER
        moved[active] += step.moves
        with torch.no_grad():
            values = logits(images[active] + moved[active]).float()
        changed = _changed(values, predicted[active])
        done = active[changed]
        found[done] = moved[done].flatten(1).double().norm(dim=1)
        active = active[~changed & step.distances.isfinite()]
    return found


def _changed(values: Tensor, predicted: Tensor) -> Tensor:
    """Return which of (a, c) logits are as large for another class as for (a,) `predicted`."""
    own = values.gather(1, predicted[:, None])[:, 0]
    rivals = values.scatter(1, predicted[:, None], -torch.inf).max(dim=1).values
    return rivals >= own - _EQUAL * values.abs().max(dim=1).values


def _step(logits: Logits, images: Tensor, predicted: Tensor, others: Tensor) -> _Step:
    """Linearise the network at (a, …) images and step to the nearest boundary of (a,) `predicted`."""
    inputs, outputs = _evaluate(logits, images)
    values = outputs.detach()
    own = values.gather(1, predicted[:, None])  # (a, 1)
    base = _gradient(outputs, inputs, predicted)
    best = torch.full((len(images),), torch.inf, device=images.device)
    moves = torch.zeros_like(images)
    for column in others.T:
        normal = _gradient(outputs, inputs, column) - base  # (a, …)
        length = normal.flatten(1).norm(dim=1)
        gap = (values.gather(1, column[:, None]) - own)[:, 0].abs()
        distance = torch.where(length < _FLAT, torch.inf, gap / length)
        nearer = distance < best
        best = torch.where(nearer, distance, best)
        scale = (gap / length.square()).view(-1, *[1] * (images.ndim - 1))
        moves = torch.where(nearer.view_as(scale), scale * normal, moves)
    return _Step(best, moves)


def _evaluate(logits: Logits, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return (inputs, outputs) with the graph between them."""
    inputs = images.detach().requires_grad_()
    with torch.enable_grad():
        return inputs, logits(inputs).float()


def _gradient(outputs: Tensor, inputs: Tensor, column: Tensor) -> Tensor:
    """Return the gradient of output `column[i]` of image i by its pixels, for all i in one backward pass."""
    picked = outputs.gather(1, column[:, None]).sum()
    return torch.autograd.grad(picked, inputs, retain_graph=True)[0]
