"""Where a killed run goes on: one file per network, whole or absent, tensors and JSON, nothing pickled."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from alcli import files

EVERY_S = 2.0  # writing tiny networks after each of 300 epochs would take longer than training them

State = dict[str, Tensor]


@dataclass
class Fitting:
    """How far the training of one network is.

    Attributes:
        planned: Epochs that are planned.
        log: A line per finished epoch.
        best: The weights of the best epoch so far.
    """

    planned: int
    log: list[dict[str, Any]] = field(default_factory=list)
    best: State = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        """The number of the best epoch, from 1; 0 before the first.

        After the first third of the epochs the highest validation accuracy wins, and of equal ones the
        later, as in Gissin & Shalev-Shwartz (2019): a hundred validation images cannot tell good epochs
        apart, and early ones, at large steps, are good by luck. Until then, and without validation images, it
        is the last epoch.
        """
        ripe = [line for line in self.log if line["epoch"] > self.planned // 3] or self.log[-1:]
        best = max(
            ripe, key=lambda line: (line.get("val_accuracy", 0.0), line["epoch"]), default={"epoch": 0}
        )
        return int(best["epoch"])


class Checkpoint:
    """The file that holds one network's training.

    Args:
        path: Where.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._saved_at = time.monotonic()

    def save(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        fitting: Fitting,
        *,
        last: bool,
        memory: nn.Module | None = None,
    ) -> None:
        """Save after an epoch; not oftener than every two seconds unless it is the last."""
        if not last and time.monotonic() - self._saved_at < EVERY_S:
            return
        states = {
            "network": network.state_dict(),
            "best": fitting.best,
            "memory": {} if memory is None else memory.state_dict(),
            **{f"adam.{number}": state for number, state in optimiser.state_dict()["state"].items()},
        }
        tensors = {
            f"{name}/{key}": t.cpu().contiguous()
            for name, state in states.items()
            for key, t in state.items()
        }
        with files.atomic_path(self.path) as temporary:
            safetensors.torch.save_file(tensors, temporary, metadata={"log": json.dumps(fitting.log)})
        self._saved_at = time.monotonic()

    def restore(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        *,
        planned: int,
        memory: nn.Module | None = None,
    ) -> Fitting:
        """Bring network, optimiser and memory to where the file says; without a file, begin."""
        if not self.path.exists():
            return Fitting(planned)
        with safetensors.safe_open(self.path, framework="pt") as file:
            log = json.loads(file.metadata()["log"])
            states: dict[str, State] = {}
            for key in file.keys():  # noqa: SIM118 -- the file is no dictionary
                name, _, rest = key.partition("/")
                states.setdefault(name, {})[rest] = file.get_tensor(key)
        network.load_state_dict(states["network"])
        if memory is not None:
            memory.load_state_dict(states.get("memory", {}))
        adam = {int(name.split(".")[1]): state for name, state in states.items() if name.startswith("adam.")}
        optimiser.load_state_dict({"state": adam, "param_groups": optimiser.state_dict()["param_groups"]})
        return Fitting(planned, log, states["best"])
