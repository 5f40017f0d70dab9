"""What the labels of a batch would say about which stochastic pass is right.

Passes ω are equally likely at first. For every outcome y of the batch, a combination of labels, Bayes' rule gives
a belief P(ω | y); so the information that one more image x adds, given the batch, is

    I(x; ω | y) = Σ_y P(y) [ H(Σ_ω P(ω | y) p(x, ω)) - Σ_ω P(ω | y) H(p(x, ω)) ],

the gain of BatchBALD's joint mutual information without subtracting two large numbers. Where outcomes are merged,
their mean belief stands for them and the sum can only grow, as entropy is concave: a bound from a few groups.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli.uncertainty import entropy

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_VALUES = 2**20  # numbers of one block: 8 MiB of float64


class Outcomes(NamedTuple):
    """The outcomes of a batch, and what each says.

    Attributes:
        shares: (s,) probabilities of the outcomes, which sum to 1.
        beliefs: (s, m) P(ω | y); rows sum to 1.
    """

    shares: Floats
    beliefs: Floats

    def information(self, passes: Floats, spread: Floats) -> Floats:
        """Return I(x; ω | y) of some images, in nats, at least 0.

        Args:
            passes: (b, m, c) p(x, ω).
            spread: (b, m) H(p(x, ω)).
        """
        b, m, c = passes.shape
        columns = np.ascontiguousarray(passes.transpose(1, 0, 2)).reshape(m, b * c)
        together = np.zeros(b)
        step = max(1, _VALUES // (b * c))
        for start in range(0, len(self.shares), step):
            mixed = self.beliefs[start : start + step] @ columns  # (step, b·c)
            entropies = entropy(mixed.reshape(-1, b, c))
            together += self.shares[start : start + step] @ entropies
        apart = spread @ (self.shares @ self.beliefs)
        return np.maximum(together - apart, 0)

    def followed_by(self, passes: Floats) -> Outcomes:
        """Return the outcomes with the label of one more image, (m, c); those that cannot happen are left out."""
        joint = (self.shares[:, None] * self.beliefs)[:, None, :] * passes.T  # (s, c, m)
        return _normalised(joint.reshape(-1, len(passes)))

    def merged(self) -> list[Outcomes]:
        """Return the outcomes in few groups, and in more: all, by the likeliest pass, and by the likeliest two."""
        m = self.beliefs.shape[1]
        likeliest = np.argsort(-self.beliefs, axis=1, kind="stable")[:, :2]
        ways = [
            np.zeros(len(self.shares), np.int64),
            likeliest[:, 0],
            likeliest @ [m, 1][: likeliest.shape[1]],
        ]
        return [self._grouped(way) for way in ways]

    def _grouped(self, groups: Rows) -> Outcomes:
        names, places = np.unique(groups, return_inverse=True)
        joint = np.zeros((len(names), self.beliefs.shape[1]))
        np.add.at(joint, places, self.shares[:, None] * self.beliefs)
        return _normalised(joint)


def unknown(m: int) -> Outcomes:
    """Return the one outcome of an empty batch: every one of m passes is as likely as the others."""
    return Outcomes(np.ones(1), np.full((1, m), 1 / m))


def sampled(passes: Floats, count: int, rng: np.random.Generator) -> Outcomes:
    """Draw outcomes of a batch that has too many of them, as many from each pass.

    Args:
        passes: (b, m, c) p of the images of the batch.
        count: Outcomes wanted; as many as fit are drawn, at least one from each pass.
        rng: Draws the labels.
    """
    m = passes.shape[1]
    each = max(1, count // m)
    logarithms = np.zeros((m, m * each))  # of the probability that pass ω gives drawn outcome s
    for image in passes:
        ends = np.cumsum(image, axis=1)  # (m, c)
        targets = np.minimum(rng.random((m, each)) * ends[:, -1:], np.nextafter(ends[:, -1:], 0))
        labels = (targets[:, :, None] >= ends[:, None, :]).sum(axis=2).reshape(-1)
        with np.errstate(divide="ignore"):  # of 0: this pass does not give that label
            logarithms += np.log(image)[:, labels]
    beliefs = np.exp(logarithms - logarithms.max(axis=0)).T
    beliefs /= beliefs.sum(axis=1, keepdims=True)
    return Outcomes(np.full(len(beliefs), 1 / len(beliefs)), np.ascontiguousarray(beliefs))


def _normalised(joint: Floats) -> Outcomes:
    shares = joint.sum(axis=1)
    possible = shares > 0
    return Outcomes(shares[possible], joint[possible] / shares[possible, None])
