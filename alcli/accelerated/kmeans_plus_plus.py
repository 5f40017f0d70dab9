"""k-means++ seeding over factored gradients on a device: the twin of `alcli.strategies._kmeans_plus_plus`.

A device reads all n · (c + d) numbers faster than it decides which to skip, so every distance is computed in
float32; where that, with a bound of its rounding, leaves open whether the new centre is nearer, again in float64.
So the weights are those of the other engine, and equal random numbers draw equal rows.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_HALF_ULP = 2.0**-24  # of float32
_GATHERED = 2**24  # numbers that are gathered at a time: 128 MiB of float64


class KMeansPlusPlus:
    """Squared distances D² of n gradients a ⊗ h to the nearest centre so far.

    Attributes:
        norms: (n,) ‖g‖².
    """

    norms: Floats

    def __init__(
        self, residuals: Singles, embeddings: Singles, *, bias: bool, device: str, block: int, close: float
    ) -> None:
        """Bring the factors to the device.

        Args:
            residuals: (n, c) a.
            embeddings: (n, d) h. Rows of zeros weigh nothing.
            bias: Whether the layer's bias has a gradient too: h·h' + 1.
            device: A torch device.
            block: Rows whose weights are summed up together.
            close: Share of ‖g‖² + ‖g'‖² below which a squared distance is measured from differences.
        """
        n, width = embeddings.shape
        self._a = torch.from_numpy(residuals).to(device)
        self._h = torch.from_numpy(embeddings).to(device)
        self._bias, self._close = float(bias), close
        self._step = max(1, _GATHERED // (width + residuals.shape[1]))
        squares = self._squares(self._h) + self._bias
        self._norms = self._squares(self._a) * squares
        self._slack = (width + residuals.shape[1] + 4) * _HALF_ULP  # of 2⟨g, g'⟩, as a share of ‖g‖² + ‖g'‖²
        self._weights = torch.zeros((-(-n // block), block), dtype=torch.float64, device=device)
        self._nearest = self._weights.view(-1)[:n]
        self._nearest[squares > 0] = torch.inf
        self.norms = self._norms.cpu().numpy()

    @torch.inference_mode()
    def add(self, row: int) -> None:
        """Make a point a centre; its own distance becomes exactly 0."""
        products = torch.mv(self._a, self._a[row]).double()
        products *= torch.mv(self._h, self._h[row]) + self._bias
        least = (self._norms + self._norms[row]) * (1 - self._slack) - 2 * products
        affected = torch.nonzero(least.clamp_(min=0) < self._nearest)[:, 0]
        for start in range(0, len(affected), self._step):
            rows = affected[start : start + self._step]
            self._nearest[rows] = torch.minimum(self._nearest[rows], self._distances(rows, row))
        self._nearest[row] = 0

    @torch.inference_mode()
    def sums(self) -> Floats:
        """Return the sum of D² of every block of rows, added in float64 and in the same order every time."""
        return np.asarray(self._weights.sum(dim=1).cpu().numpy())

    @torch.inference_mode()
    def block(self, number: int) -> Floats:
        """Return D² of the rows of one block."""
        return np.asarray(self._weights[number].cpu().numpy())

    def _squares(self, points: Tensor) -> Tensor:
        """Return ‖x‖² of each row, in float64."""
        starts = range(0, len(points), self._step)
        return torch.cat([points[at : at + self._step].double().square().sum(dim=1) for at in starts])

    def _distances(self, rows: Tensor, row: int) -> Tensor:
        """Return squared distances in float64, those of near rows from the differences as in the twin."""
        a, h = self._a[rows].double(), self._h[rows].double()
        a_centre, h_centre = self._a[row].double(), self._h[row].double()
        size = self._norms[rows] + self._norms[row]
        found = size - 2 * (a * a_centre).sum(dim=1) * ((h * h_centre).sum(dim=1) + self._bias)
        near = torch.nonzero(found < self._close * size)[:, 0]
        a_mean, h_mean = (a[near] + a_centre) / 2, (h[near] + h_centre) / 2
        a, h = a[near] - a_centre, h[near] - h_centre
        found[near] = (
            a.square().sum(dim=1) * (h_mean.square().sum(dim=1) + self._bias)
            + a_mean.square().sum(dim=1) * h.square().sum(dim=1)
            + 2 * (a * a_mean).sum(dim=1) * (h * h_mean).sum(dim=1)
        )
        return found.clamp_(min=0)
