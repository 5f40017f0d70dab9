"""What a classifier minimises over a batch: any loss, weighted by class, after a warm-up by cross-entropy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from alcli.losses.classification.cross_entropy import cross_entropy


@dataclass(frozen=True)
class Criterion:
    """A loss and what surrounds it.

    Targets are class codes (b,), or shares of the classes (b, c) whose rows sum to 1.

    Attributes:
        classes: c.
        loss: As in `losses.classification`.
        parameters: Its options.
        warm_up: For so many epochs plain cross-entropy takes the loss's place.
        smoothing: Share of every target that is spread evenly over all classes.
        weights: (c,) of the classes; None weighs all alike.
        maps: The loss's own weights, if it has any.
    """

    classes: int
    loss: Callable[..., Tensor] = cross_entropy
    parameters: Mapping[str, Any] = field(default_factory=dict)
    warm_up: int = 0
    smoothing: float = 0.0
    weights: Tensor | None = None
    maps: nn.Module | None = None

    def mean(self, logits: Tensor, targets: Tensor, *, inputs: Tensor, epoch: int) -> Tensor:
        """Return the mean loss of a batch, weighted by class.

        Args:
            logits: (b, c).
            targets: (b,) or (b, c).
            inputs: (b, …) what the network saw.
            epoch: From 1.
        """
        if self._plain(epoch) and not self.smoothing and not targets.is_floating_point():
            return F.cross_entropy(logits.float(), targets, weight=self.weights)
        each = self.each(logits, targets, inputs=inputs, epoch=epoch)
        if self.weights is None:
            return each.mean()
        shares = self.as_shares(targets) @ self.weights  # (b,)
        return (each * shares).sum() / shares.sum()

    def each(self, logits: Tensor, targets: Tensor, *, inputs: Tensor, epoch: int) -> Tensor:
        """Return the loss of each image of a batch, (b,), classes weighing alike; arguments as for `mean`."""
        shares = self.as_shares(targets)
        shares = (1 - self.smoothing) * shares + self.smoothing / self.classes
        if self._plain(epoch):
            return cross_entropy(logits.float(), shares)
        more = {} if self.maps is None else {"inputs": inputs, "maps": self.maps}
        return self.loss(logits.float(), shares, **more, **self.parameters)

    def as_shares(self, targets: Tensor) -> Tensor:
        """Return targets as (b, c) shares of the classes."""
        return targets if targets.is_floating_point() else F.one_hot(targets, self.classes).float()

    def around(self, network: nn.Module) -> nn.Module:
        """Return what is to be trained: the network, together with the loss's own weights if it has any."""
        return network if self.maps is None else nn.ModuleDict({"network": network, "maps": self.maps})

    def _plain(self, epoch: int) -> bool:
        return self.loss is cross_entropy or epoch <= self.warm_up


def credit(logits: Tensor, targets: Tensor) -> Tensor:
    """Return how many of a batch are classified right: the sum of what the targets give to the predicted class.

    Of class codes that is their number. Of a mixture of two images, 0.7 of the one, it is 0.7 or 0.3.
    """
    found = logits.argmax(dim=1)
    if not targets.is_floating_point():
        return (found == targets).sum()
    return targets.gather(1, found[:, None]).sum()
