"""Greedy coverage on a device: gains of many candidates at once, measured in full, lazily."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alcli.geometry.coverage import SATURATED, Greedy, Kernel

_PAIRS = 2**26  # distances held at a time: 256 MiB
_BATCH = 256  # gains measured again at once


@torch.inference_mode()
def maximise(
    candidates: NDArray[np.float32],
    reference: NDArray[np.float32],
    k: int,
    *,
    kernel: Kernel,
    weights: NDArray[np.float64] | None = None,
    covered: NDArray[np.float64] | None = None,
    device: str,
) -> Greedy:
    """Choose up to k candidates by greedy, as `alcli.geometry.coverage.maximise`, but for ties of rounding.

    Distances are sums of squared float32 differences and gains are summed in float64.

    Args:
        candidates: (C, d).
        reference: (R, d) points to cover.
        k: At most C.
        kernel: How they are covered.
        weights: (R,) at least 0; 1 where None.
        covered: (R,) κ of each reference point to the best of what is chosen already; 0 where None.
        device: Anything that torch takes.
    """
    weights = np.ones(len(reference)) if weights is None else weights
    covered = np.zeros(len(reference)) if covered is None else covered
    search = _Search(candidates, reference, kernel, weights, covered, device)
    before = search.value()
    rows: list[int] = []
    gains: list[float] = []
    while len(rows) < k:
        row, gain = search.best()
        if gain <= SATURATED * weights.sum():
            break
        rows.append(row)
        gains.append(gain)
        search.take(row)
    return Greedy(np.array(rows, np.int64), np.array(gains), before, search.value(), search.measured)


class _Search:
    """The state of the search, on the device; `measured` counts gains."""

    def __init__(
        self,
        candidates: NDArray[np.float32],
        reference: NDArray[np.float32],
        kernel: Kernel,
        weights: NDArray[np.float64],
        covered: NDArray[np.float64],
        device: str,
    ) -> None:
        self._candidates = torch.tensor(candidates, device=device)  # a copy: inputs may be read-only
        self._reference = torch.tensor(reference, device=device)
        self._kernel = kernel
        self._weights = torch.tensor(weights, dtype=torch.float32, device=device)
        self._covered = torch.tensor(covered, dtype=torch.float32, device=device)
        self._bound = torch.zeros(len(candidates), dtype=torch.float64, device=device)
        self._exact = torch.zeros(len(candidates), dtype=torch.bool, device=device)
        self.measured = 0
        self._measure(torch.arange(len(candidates), device=device))

    def value(self) -> float:
        """Return Σ w κ over the reference."""
        return float((self._covered.double() * self._weights.double()).sum())

    def best(self) -> tuple[int, float]:
        """Return the candidate of the largest gain, the smaller row of equals, and its gain."""
        while True:
            row = int(self._bound.argmax())
            if self._exact[row]:
                return row, float(self._bound[row])
            rivals = torch.where(self._exact, -torch.inf, self._bound)
            self._measure(rivals.topk(min(_BATCH, len(rivals))).indices)

    def take(self, row: int) -> None:
        """Cover by a candidate; all other gains may be lower now."""
        values = self._similarities(self._candidates[row : row + 1])[0]
        torch.maximum(self._covered, values, out=self._covered)
        self._exact[:] = False
        self._bound[row], self._exact[row] = -torch.inf, True

    def _measure(self, rows: Tensor) -> None:
        step = max(1, _PAIRS // max(1, len(self._reference)))
        for first in range(0, len(rows), step):
            some = rows[first : first + step]
            better = self._similarities(self._candidates[some]).sub_(self._covered).clamp_(min=0)
            gains = better.mul_(self._weights).sum(dim=1, dtype=torch.float64)
            self._bound[some] = torch.where(self._bound[some] == -torch.inf, -torch.inf, gains)
        self._exact[rows] = True
        self.measured += len(rows)

    def _similarities(self, rows: Tensor) -> Tensor:
        """Return κ of candidates to the reference, (b, R)."""
        found = torch.cdist(rows, self._reference, compute_mode="donot_use_mm_for_euclid_dist")
        if self._kernel.shape == "ball":
            return (found < self._kernel.width).float()
        if self._kernel.shape == "rbf":
            return found.div_(self._kernel.width).square_().neg_().exp_()
        return found.square_().mul_(-0.25).add_(1).clamp_(min=0)
