"""Monte-Carlo dropout with consistent masks (Gal, Islam & Ghahramani, 2017; Kirsch et al., 2019).

The network stays in evaluation mode, so batch statistics are frozen; only dropout modules are switched on, and
in pass t every image meets the same mask. So scores depend neither on the batch nor on the order of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from alcli.errors import UsageError
from alcli.randomness import derive_seed

_T = TypeVar("_T")
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


def dropout_passes(model: nn.Module, forward: Callable[[], _T], samples: int, *, seed: int) -> Iterator[_T]:
    """Yield what `forward` returns under each of `samples` dropout masks.

    Args:
        model: In evaluation mode; it is left as it was.
        forward: Runs the model on one batch.
        samples: Passes m.
        seed: The masks are a function of it, of the pass and of the module's name alone.

    Raises:
        UsageError: The model has no dropout with a positive rate.
    """
    active = [(name, module) for name, module in model.named_modules() if _rate(module) > 0]
    if not active:
        raise UsageError(
            "the model has no active dropout, so Monte-Carlo passes would all be equal",
            hint="train with --model lenet, or with --dropout 0.5",
        )
    for number in range(samples):
        with ExitStack() as hooks:
            for name, module in active:
                hook = module.register_forward_hook(_masked(derive_seed(seed, "dropout", number, name)))
                hooks.callback(hook.remove)
            yield forward()


def has_dropout(model: nn.Module) -> bool:
    """Return whether any dropout module of the model has a positive rate."""
    return any(_rate(module) > 0 for module in model.modules())


def _rate(module: nn.Module) -> float:
    return float(module.p) if isinstance(module, _DROPOUTS) else 0.0


def _masked(seed: int) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
    def hook(module: nn.Module, _: tuple[Any, ...], output: Tensor) -> Tensor:
        rate = _rate(module)
        # Modules such as Dropout2d drop whole channels; one number per channel, then.
        whole_channels = isinstance(module, nn.Dropout1d | nn.Dropout2d | nn.Dropout3d)
        shape = (output.shape[1], *([1] * (output.ndim - 2))) if whole_channels else output.shape[1:]
        draws = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
        return output * ((draws >= rate) / (1 - rate)).to(output)

    return hook
