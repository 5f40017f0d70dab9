"""How good a network is on images it did not learn from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alcli.geometry.agreement import agreement
from alcli.networks import Model, Outputs
from alcli.training.batches import Positions, in_order
from alcli.training.inputs import Examples

EVALUATED_AT_ONCE = 256
HELD_AT_ONCE = 64 * EVALUATED_AT_ONCE  # images whose outputs are held where their number could be large


@torch.inference_mode()
def outputs_of(
    network: Callable[[Tensor], Tensor], examples: Examples, positions: Positions | None = None
) -> Tensor:
    """Return what a network says of examples, (n, …) float32 on the CPU.

    Args:
        network: In evaluation mode; takes a batch of inputs.
        examples: To run it on.
        positions: (n,) which of them; None is all.
    """
    chosen = np.arange(len(examples)) if positions is None else positions
    orders = [chosen[batch] for batch in in_order(len(chosen), EVALUATED_AT_ONCE)]
    return torch.cat([network(inputs).float().cpu() for inputs in examples.inputs.batches(orders)])


def model_outputs(model: Model, examples: Examples, positions: Positions | None = None) -> Outputs:
    """Return what a whole model says of examples, or of those at some positions, on the CPU."""
    run = model.heads if model.frozen else model
    widths: list[int] = []

    def joined(inputs: Tensor) -> Tensor:
        outputs = run(inputs)
        parts = [part.float() for part in outputs if part is not None]
        widths[:] = [part.shape[1] for part in parts]
        return torch.cat(parts, dim=1)

    parts = torch.split(outputs_of(joined, examples, positions), widths, dim=1)
    return Outputs(parts[0], parts[1], parts[2] if len(parts) == 3 else None)


class Centres:
    """The mean embedding of each class, not normalised again, summed up image by image.

    Args:
        classes: c.
        width: t.
    """

    def __init__(self, classes: int, width: int) -> None:
        self._sums = np.zeros((classes, width))
        self._counts = np.zeros(classes, np.int64)

    def add(self, embeddings: NDArray[np.float32], codes: NDArray[np.int64]) -> None:
        """Take (n, t) embeddings of images of these classes in."""
        np.add.at(self._sums, codes, embeddings)
        self._counts += np.bincount(codes, minlength=len(self._counts))

    def means(self) -> NDArray[np.float64]:
        """Return the (c, t) centres; infinite where there is no image."""
        counts = self._counts[:, None]
        return np.divide(self._sums, counts, out=np.full_like(self._sums, np.inf), where=counts > 0)


def class_centres(
    embeddings: NDArray[np.float32], codes: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Return the (c, t) centres of the classes of (n, t) embeddings, as `Centres`."""
    centres = Centres(classes, embeddings.shape[1])
    centres.add(embeddings, codes)
    return centres.means()


def nearest_centre(embeddings: NDArray[np.float32], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the (n,) class whose centre is nearest in Euclidean distance; ties go to the lower class."""
    present = np.flatnonzero(np.isfinite(centres).all(axis=1))
    kept = centres[present]
    squared = (kept**2).sum(axis=1) - 2 * embeddings @ kept.T  # (n, c'), up to a constant of each row
    found: NDArray[np.int64] = present[squared.argmin(axis=1)]
    return found


def cluster_figures(split: str, assigned: NDArray[np.int64], codes: NDArray[np.int64]) -> dict[str, float]:
    """Return ACC, NMI and ARI of (n,) clusters of the labelled images of a split; nothing for fewer than two."""
    if len(codes) < 2:
        return {}
    found = agreement(codes, assigned)
    return {f"{split}_cluster_{name}": value for name, value in found._asdict().items()}


def accuracy(predicted: NDArray[np.int64], codes: NDArray[np.int64]) -> float:
    """Return the share of right answers, in [0, 1]."""
    return float((predicted == codes).mean())
