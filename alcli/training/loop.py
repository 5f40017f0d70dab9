"""The training loop: seed, batches, loss, step; then look at the validation images, keep the best epoch."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from alcli.errors import InputRejected
from alcli.progress import Progress
from alcli.randomness import derive_seed
from alcli.training.augmentation import Augment
from alcli.training.batches import Positions
from alcli.training.checkpoints import Checkpoint, Fitting
from alcli.training.inputs import Examples


@dataclass(frozen=True)
class Batch:
    """What the loss of one step is computed from.

    Attributes:
        inputs: b of them, as the network takes them.
        codes: (b,) class codes.
        positions: (b,) which of the task's examples these are.
        epoch: From 1.
        rng: For draws of the loss; begins anew in every epoch.
    """

    inputs: Tensor
    codes: Tensor
    positions: Positions
    epoch: int
    rng: np.random.Generator


@dataclass(frozen=True)
class Task:
    """One network to fit.

    Attributes:
        name: Unique in a training; it names the checkpoint and the lines of the log.
        network: What is trained and kept; it has only parameters that are to change.
        examples: What it learns from.
        orders: Draws the batches of one epoch.
        steps: Batches of one epoch.
        loss: Takes a batch; returns the loss, and how many were classified right, None if nothing is classified.
        judge: Returns `val_accuracy` and `val_loss` in evaluation mode; nothing without validation images.
        memory: What is kept from epoch to epoch beside the weights; the checkpoint holds it as it is after the
            last epoch, not the best one.
        after_epoch: Called in evaluation mode when an epoch, counted from 1, has been judged.
        epochs: How many; None leaves it to what was asked for.
        lr: Adam's first step size; None leaves it to what was asked for.
    """

    name: str
    network: nn.Module
    examples: Examples
    orders: Callable[[np.random.Generator], list[Positions]]
    steps: int
    loss: Callable[[Batch], tuple[Tensor, Tensor | None]]
    judge: Callable[[], dict[str, float]]
    memory: nn.Module | None = None
    after_epoch: Callable[[int], None] | None = None
    epochs: int | None = None
    lr: float | None = None


@dataclass(frozen=True)
class Regime:
    """How long and how a network is trained.

    Attributes:
        epochs: At most.
        lr: Adam's step size at the start; it falls along half a cosine to 0.
        patience: Stop after this many epochs without a better one; 0 never does.
        seed: Drives order, dropout and augmentation, anew in every epoch, so that resuming needs no state.
        device: Where.
        precision: `fp32` or `bf16`.
        augment: Changes training images.
    """

    epochs: int
    lr: float
    patience: int
    seed: int
    device: torch.device
    precision: str
    augment: Augment | None = None

    def autocast(self) -> torch.autocast:
        """Return the context in which networks compute in the wanted precision."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16")


def fit(task: Task, regime: Regime, checkpoint: Checkpoint, progress: Progress, stage: str) -> Fitting:
    """Train a network and leave it with the weights of its best epoch, in evaluation mode.

    Raises:
        InputRejected: The loss is no longer a number.
    """
    optimiser = torch.optim.Adam(task.network.parameters(), lr=regime.lr, fused=True)
    fitting = checkpoint.restore(task.network, optimiser, planned=regime.epochs, memory=task.memory)
    done = len(fitting.log) * task.steps
    with _deterministic(), progress(stage, regime.epochs * task.steps, done) as advance:
        advance(0, _note(fitting))
        while not _finished(fitting, regime):
            began = time.monotonic()
            line = _train_epoch(
                task, regime, optimiser, len(fitting.log) + 1, lambda: advance(1, _note(fitting))
            )
            task.network.eval()
            with regime.autocast():
                line |= task.judge()
                if task.after_epoch is not None:
                    task.after_epoch(line["epoch"])
            fitting.log.append({**line, "seconds": round(time.monotonic() - began, 3)})
            if fitting.best_epoch == line["epoch"]:
                fitting.best = {
                    name: tensor.detach().clone() for name, tensor in task.network.state_dict().items()
                }
            checkpoint.save(
                task.network, optimiser, fitting, last=_finished(fitting, regime), memory=task.memory
            )
    task.network.load_state_dict(fitting.best)
    task.network.eval()
    return fitting


def _train_epoch(
    task: Task, regime: Regime, optimiser: torch.optim.Optimizer, epoch: int, stepped: Callable[[], None]
) -> dict[str, Any]:
    """Go through the examples once; return the epoch's line of the log."""
    seed = derive_seed(regime.seed, "epoch", task.name, epoch)
    rng = np.random.default_rng(seed)
    orders = task.orders(rng)
    codes = torch.from_numpy(task.examples.codes).to(regime.device)  # (n,)
    sums = _Sums(regime.device)
    draws = np.random.default_rng(derive_seed(seed, "loss"))
    task.network.train()
    with _seeded(seed, regime.device):
        batches = task.examples.inputs.batches(orders, augment=regime.augment, rng=rng)
        for step, (inputs, order) in enumerate(zip(batches, orders, strict=True)):
            for group in optimiser.param_groups:
                group["lr"] = regime.lr * _cosine((epoch - 1 + step / len(orders)) / regime.epochs)
            with regime.autocast():
                of_batch = codes[torch.from_numpy(order).to(regime.device)]
                loss, right = task.loss(Batch(inputs, of_batch, order, epoch, draws))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            sums.add(loss.detach(), right, len(order))
            stepped()
    means = sums.means()
    if not math.isfinite(means["loss"]):
        raise InputRejected(
            f"the loss of the {task.name} is no longer a number in epoch {epoch}",
            hint="train with a lower --lr",
        )
    return {"network": task.name, "epoch": epoch, **means}


class _Sums:
    """Adds up an epoch. The sums stay on the device: asking for one would wait for it."""

    def __init__(self, device: torch.device) -> None:
        self.loss, self.right, self.seen = torch.zeros((), device=device), torch.zeros((), device=device), 0
        self.classifies = True

    def add(self, loss: Tensor, right: Tensor | None, count: int) -> None:
        """Add a batch of `count` images with this mean loss, so many of them classified right."""
        self.loss += loss * count
        self.seen += count
        if right is None:
            self.classifies = False
        else:
            self.right += right

    def means(self) -> dict[str, float]:
        """Return the mean `loss`, and the `accuracy` where anything is classified."""
        accuracy = {"accuracy": float(self.right) / self.seen} if self.classifies else {}
        return {"loss": float(self.loss) / self.seen, **accuracy}


def _cosine(share: float) -> float:
    """Return the step size at `share` of the training, in [0, 1] of the first one."""
    return 0.5 * (1 + math.cos(math.pi * share))


def _finished(fitting: Fitting, regime: Regime) -> bool:
    done = len(fitting.log)
    return done >= regime.epochs or done - fitting.best_epoch >= regime.patience > 0


def _note(fitting: Fitting) -> str:
    """Say how the last epoch went."""
    if not fitting.log:
        return ""
    line = fitting.log[-1]
    shown = [("loss", "loss", ".3f"), ("accuracy", "accuracy", ".1%"), ("val_accuracy", "validation", ".1%")]
    said = [f"{word} {line[name]:{form}}" for name, word, form in shown if name in line]
    return f"epoch {line['epoch']}: {', '.join(said)}"


@contextlib.contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's own generators, which dropout draws from, and put them back afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _deterministic() -> Iterator[None]:
    """Use algorithms that give the same bits every time, wherever torch has one."""
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    debugging: Any = torch.utils.deterministic
    torch.use_deterministic_algorithms(True, warn_only=True)
    filled = debugging.fill_uninitialized_memory
    debugging.fill_uninitialized_memory = False  # a help for debugging that writes everything twice
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        debugging.fill_uninitialized_memory = filled
