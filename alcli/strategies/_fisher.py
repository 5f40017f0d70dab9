"""Fisher information of a last layer, of many images, under additions to and removals from a batch.

An image with probabilities p and embedding h has the information (diag(p) - ppᵀ) ⊗ hhᵀ = xᵀx. Here x = B ⊗ hᵀ with
a (c - 1, c - 1) matrix B: the c rows √p_y (p - e_y) of the paper have rank c - 1 and add up to 0 across classes, so
coordinates orthogonal to (1, …, 1) suffice, and all traces stay the same. r = c - 1 and m = r · d below.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_VALUES = 2**20  # of one block's temporaries: 8 MiB, which a cache holds
_ROWS = 2_048  # of a product with a matrix of (c·d)² numbers
_TOGETHER = 512  # small systems solved at once
_TIE = 1e-9  # relative: values that differ by less differ by rounding only


def factors(probabilities: Singles) -> Floats:
    """Return B of each row, with BᵀB = Uᵀ(diag(p) - ppᵀ)U, U a basis of what is orthogonal to ones.

    Before U it is the Cholesky factor of a multinomial's covariance (Tanabe & Sagae, 1992), whose row j is
    √(p_j q_j / q_{j-1}) · (e_j - p_{j+1…} / q_j) with q_j the probability of the classes after j.

    Args:
        probabilities: (n, c).

    Returns:
        (n, c - 1, c - 1).
    """
    p = probabilities.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    n, c = p.shape
    tails = np.cumsum(p[:, ::-1], axis=1)[:, ::-1]  # of this class and those after it
    here, after = tails[:, :-1], tails[:, 1:]
    basis = _basis(c)
    found = np.empty((n, c - 1, c - 1))
    later = np.triu(np.ones((c - 1, c)), 1)
    for block in _blocks(n, 2 * c * c):
        rest = later * p[block, None, :] / np.maximum(after[block], np.finfo(np.float64).tiny)[:, :, None]
        sizes = np.divide(
            p[block, :-1] * after[block], here[block], where=here[block] > 0, out=np.zeros_like(here[block])
        )
        found[block] = (np.eye(c - 1, c) - rest) @ basis * np.sqrt(sizes)[:, :, None]
    return found


def information(factors: Floats, embeddings: Singles) -> Floats:
    """Return Σ xᵀx; (n, r, r), (n, d) -> (m, m)."""
    r, d = factors.shape[1], embeddings.shape[1]
    total = np.zeros((r, d, r, d))
    for block in _blocks(len(embeddings), _VALUES // _ROWS):
        h = embeddings[block].astype(np.float64)
        squares = factors[block].transpose(0, 2, 1) @ factors[block]
        for i in range(r):
            weighted = (squares[:, i, i:, None] * h[:, None, :]).reshape(len(h), -1)
            total[i, :, i:] += (h.T @ weighted).reshape(d, r - i, d)
    for i in range(r):
        for j in range(i):
            total[i, :, j] = total[j, :, i].T
    return total.reshape(r * d, r * d)


class Metric:
    """The inverse information M⁻¹ of a batch, in whose metric information is left unexplained.

    Attributes:
        inverse: (m, m) M⁻¹.
        target: (m, m) F: `objective` is tr(M⁻¹F).
    """

    def __init__(self, matrix: Floats, target: Floats) -> None:
        from scipy.linalg import cho_factor, cho_solve

        self.target = target
        self.inverse = np.ascontiguousarray(cho_solve(cho_factor(matrix), np.eye(len(matrix))))

    @property
    def objective(self) -> float:
        """tr(M⁻¹F)."""
        return float(np.vdot(self.inverse, self.target))

    def change(self, factor: Floats, embedding: Singles, sign: int) -> tuple[Floats, Floats]:
        """Add an image to the batch, or take it out.

        Args:
            factor: (r, r) the image's B.
            embedding: (d,).
            sign: 1 to add, -1 to take out.

        Returns:
            (r, m) W and Y, by which M⁻¹ falls by sign · WᵀW and M⁻¹FM⁻¹ by sign · (WᵀY + YᵀW).
        """
        from scipy.linalg import solve_triangular

        r, h = len(factor), embedding.astype(np.float64)
        m = len(self.inverse)
        left = factor @ (h @ self.inverse.reshape(r, -1, m))  # x M⁻¹
        inner = (left.reshape(r, r, -1) @ h) @ factor.T
        root = np.linalg.cholesky(np.eye(r) + sign * inner)
        w = solve_triangular(root, left, lower=True)
        through = w @ self.target
        y = through @ self.inverse - sign / 2 * (through @ w.T) @ w
        for block in _blocks(m, m):
            self.inverse[block] -= sign * (w[:, block].T @ w)
        return w, y


class Candidates:
    """The (r, r) matrices x M⁻¹xᵀ and x M⁻¹FM⁻¹xᵀ of images, kept up to date.

    Attributes:
        factors: (n, r, r).
        embeddings: (n, d).
    """

    def __init__(self, factors: Floats, embeddings: Singles) -> None:
        self.factors = factors
        self.embeddings = embeddings
        self._inner = np.zeros_like(factors)
        self._outer = np.zeros_like(factors)

    def measure(self, metric: Metric) -> None:
        """Compute both matrices of every image: 2 · n · r² · d²."""
        self._inner = self._forms(metric.inverse)
        self._outer = self._forms(metric.inverse @ metric.target @ metric.inverse)

    def subset(self, rows: NDArray[np.int64]) -> Candidates:
        """Return some of the images."""
        found = Candidates(self.factors[rows], self.embeddings[rows])
        found._inner, found._outer = self._inner[rows], self._outer[rows]
        return found

    def follow(self, w: Floats, y: Floats, sign: int) -> None:
        """Take in a change of the batch: what `Metric.change` returned."""
        r, d = len(w), self.embeddings.shape[1]
        both = np.concatenate([w, y]).reshape(-1, d)  # (2·r·r, d)
        for block in _blocks(len(self.factors), d + 6 * r * r):
            seen = (self.embeddings[block].astype(np.float64) @ both.T).reshape(-1, 2 * r, r)
            mine = self.factors[block] @ seen.transpose(0, 2, 1)  # x Wᵀ and x Yᵀ side by side
            xw, xy = mine[:, :, :r], mine[:, :, r:]
            self._inner[block] -= sign * (xw @ xw.transpose(0, 2, 1))
            cross = sign * (xw @ xy.transpose(0, 2, 1))
            self._outer[block] -= cross
            self._outer[block] -= cross.transpose(0, 2, 1)

    def best(self, rows: NDArray[np.int64], sign: int) -> tuple[int, float]:
        """Find the image that lowers tr(M⁻¹F) the most when it is added, or raises it the least when taken out.

        tr(x M⁻¹FM⁻¹xᵀ) bounds the change, from above for what is added and from below for what is taken out;
        so images are looked at in its order until it cannot win any more.

        Args:
            rows: Candidates to look at.
            sign: 1 to add, -1 to take out.

        Returns:
            The row, the first in `rows` of equals, and the change, positive both ways.
        """
        bounds = sign * np.einsum("nii->n", self._outer)[rows]
        order = np.argsort(-bounds, kind="stable")
        values = np.full(len(rows), -np.inf)
        best = -np.inf
        for start in range(0, len(order), _TOGETHER):
            if bounds[order[start]] < best - _TIE * abs(best):
                break
            some = order[start : start + _TOGETHER]
            values[some] = sign * self._changes(rows[some], sign)
            best = max(best, values[some].max())
        at = int(np.flatnonzero(values >= best - _TIE * abs(best))[0])
        return int(rows[at]), float(sign * values[at])

    def _changes(self, rows: NDArray[np.int64], sign: int) -> Floats:
        """Return tr(x M⁻¹FM⁻¹xᵀ (I ± x M⁻¹xᵀ)⁻¹), by Woodbury's identity."""
        systems = np.eye(self.factors.shape[1]) + sign * self._inner[rows]
        return np.asarray(np.einsum("nii->n", np.linalg.solve(systems, self._outer[rows])))

    def _forms(self, matrix: Floats) -> Floats:
        """Return x A xᵀ of each image for a symmetric (m, m) matrix A; (n, r, r)."""
        n, r, d = len(self.factors), self.factors.shape[1], self.embeddings.shape[1]
        found = np.empty((n, r, r))
        parts = matrix.reshape(r, d, r * d)
        for block in _blocks(n, _VALUES // _ROWS):
            h = self.embeddings[block].astype(np.float64)
            forms = np.empty((len(h), r, r))
            for i in range(r):
                seen = (h @ parts[i, :, i * d :]).reshape(len(h), r - i, d)
                forms[:, i, i:] = forms[:, i:, i] = (seen @ h[:, :, None])[:, :, 0]
            found[block] = self.factors[block] @ forms @ self.factors[block].transpose(0, 2, 1)
        return found


def _basis(c: int) -> Floats:
    """Return c - 1 orthonormal columns that are orthogonal to (1, …, 1): Helmert's; (c, c - 1)."""
    found = np.triu(np.ones((c, c - 1)))
    found[np.arange(1, c), np.arange(c - 1)] = -np.arange(1.0, c)
    return np.asarray(found / np.linalg.norm(found, axis=0))


def _blocks(rows: int, values_per_row: int) -> Iterator[slice]:
    step = max(1, _VALUES // max(1, values_per_row))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
