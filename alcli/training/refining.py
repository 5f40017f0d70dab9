"""Pseudo-labels that follow what the network predicted of their images in the last epochs.

Three ways: `mean`, the mean of past predictions (Tanaka et al., 2018, arXiv 1803.11364); `last`, the
newest prediction (Arazo et al., 2019, arXiv 1908.02983); `vote`, the class predicted most often, where
predictions hardly changed (SELFIE: Song, Kim & Lee, 2019, ICML). Two regularisers of the first two
papers keep the network from giving every image the same class (R_A) and from staying undecided (R_H). Labels
that people gave are never changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from alcli.parameters import Range
from alcli.training.batches import in_order
from alcli.training.evaluation import HELD_AT_ONCE, outputs_of
from alcli.training.history import History
from alcli.training.inputs import Examples
from alcli.training.loop import Batch


@dataclass(frozen=True, kw_only=True)
class Manner:
    """The options of refining.

    Attributes:
        epsilon: `vote` changes a label if the entropy of its votes, 1 if even, is at most this.
        history: Epochs that are looked back on.
        r_a: Weight of R_A, which wants all classes equally common.
        r_h: Weight of R_H, which wants sure predictions.
    """

    epsilon: Annotated[float, Range(0, 1)] = 0.05
    history: Annotated[int, Range(1, 1000)] = 10
    r_a: Annotated[float, Range(0, 1000)] = 0.8
    r_h: Annotated[float, Range(0, 1000)] = 0.4


class Refiner:
    """Gives the targets of a training, and remembers what they come from.

    Args:
        mode: `mean`, `vote` or `last`.
        manner: The options.
        codes: (n,) class codes of the images learned from.
        given_by_model: (n,) which of them are pseudo-labels.
        classes: c.
        warm_up: For so many epochs labels stay as they are.
    """

    def __init__(
        self,
        mode: str,
        manner: Manner,
        codes: NDArray[np.int64],
        given_by_model: NDArray[np.bool_],
        *,
        classes: int,
        warm_up: int,
    ) -> None:
        self.mode, self.manner, self.classes, self.warm_up = mode, manner, classes, warm_up
        self.positions = np.flatnonzero(given_by_model)  # (p,) of the pseudo-labelled images
        self.codes = codes[self.positions]
        self.history = History(len(self.positions), classes, 1 if mode == "last" else manner.history)
        self._row = np.full(len(codes), -1)
        self._row[self.positions] = np.arange(len(self.positions))

    def remember(self, forward: Callable[[Tensor], Tensor], examples: Examples) -> None:
        """Look at the pseudo-labelled images with a network in evaluation mode, at the end of an epoch."""
        blocks = in_order(len(self.positions), HELD_AT_ONCE)
        if blocks:
            self.history.add(
                F.softmax(outputs_of(forward, examples, self.positions[block]), dim=1) for block in blocks
            )

    def targets(self, batch: Batch) -> Tensor:
        """Return what a batch is to be taught: (b,) codes as they are, or (b, c) shares with refined ones."""
        rows = self._row[batch.positions]
        mine = rows >= 0
        if batch.epoch <= self.warm_up or not len(self.history) or not mine.any():
            return batch.codes
        shares = F.one_hot(batch.codes, self.classes).float()
        shares[torch.from_numpy(mine).to(shares.device)] = self.beliefs(rows[mine]).to(shares.device)
        return shares

    def beliefs(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the (r, c) targets of some of the pseudo-labelled images, after at least one epoch."""
        if self.mode == "mean":
            return self.history.mean(rows)
        if self.mode == "last":
            return self.history.last(rows)
        votes = self.history.votes(rows)
        settled = normalised_entropy(votes) <= self.manner.epsilon
        found = torch.where(settled, votes.argmax(dim=1), torch.from_numpy(self.codes[rows]))
        return F.one_hot(found, self.classes).float()

    def pressure(self, logits: Tensor, epoch: int) -> Tensor:
        """Return r_a · R_A + r_h · R_H of a batch's (b, c) logits; 0 during the warm-up."""
        if epoch <= self.warm_up:
            return logits.new_zeros(())
        logs = F.log_softmax(logits.float(), dim=1)
        return self.manner.r_a * evenness(logs) + self.manner.r_h * indecision(logs)

    def refined(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the (p,) class of each pseudo-labelled image in the end, and how sure that is, in [0, 1].

        By `vote`, how sure is the share of epochs in which this class was predicted.
        """
        if not len(self.history):
            return self.codes.copy(), np.ones(len(self.codes), np.float32)
        labels, sure = self.codes.copy(), np.empty(len(self.codes), np.float32)
        for rows in in_order(len(self.codes), HELD_AT_ONCE):
            beliefs = self.beliefs(rows)
            found = beliefs.argmax(dim=1)
            shares = self.history.votes(rows) if self.mode == "vote" else beliefs
            labels[rows], sure[rows] = found.numpy(), shares.gather(1, found[:, None])[:, 0].numpy()
        return labels, sure


def evenness(logs: Tensor) -> Tensor:
    """Return R_A = -Σ_c (1/c) ln p̄_c of (b, c) log-probabilities, p̄ their mean over the batch; ln c if even."""
    return -(torch.logsumexp(logs, dim=0) - math.log(len(logs))).mean()


def indecision(logs: Tensor) -> Tensor:
    """Return R_H, the mean entropy in nats of (b, c) log-probabilities."""
    return -(logs.exp() * logs).sum(dim=1).mean()


def normalised_entropy(shares: Tensor) -> Tensor:
    """Return the entropy of each row of (r, c) divided by ln c, in [0, 1]; 0 of one class."""
    entropy: Tensor = torch.special.entr(shares).sum(dim=1)
    return entropy / math.log(max(shares.shape[1], 2))
