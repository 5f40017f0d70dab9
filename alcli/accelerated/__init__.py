"""Twins of the engines for a CUDA device, in torch; the same picks but for ties of rounding.

torch is imported where it is needed only: on a machine without a GPU, `select` starts without it.
"""

from __future__ import annotations

import shutil


def device_for(name: str) -> str:
    """Return where strategies compute: the CUDA device that `--device` names, else `cpu`.

    Raises:
        UsageError: The name is unknown, or this machine has no such device.
    """
    if name in ("cpu", "mps") or (name == "auto" and not shutil.which("nvidia-smi")):
        return "cpu"
    from alcli.networks import choose_device

    device = choose_device(name)
    return str(device) if device.type == "cuda" else "cpu"
