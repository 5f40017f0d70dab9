"""Plug-ins: one file in a package is one plug-in, and the file's name is the plug-in's name.

`least-confidence` on the command line is `least_confidence.py` holding a function `least_confidence`.
Files that start with `_` are helpers. Listing names imports nothing.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from pathlib import Path
from typing import Any

from alcli.errors import UsageError


def names(package: str) -> list[str]:
    """Return the plug-in names of `package` (a dotted name), sorted, as the command line spells them."""
    folder = Path(__file__).parent.joinpath(*package.split(".")[1:])
    modules = (module.name for module in pkgutil.iter_modules([str(folder)]))
    return sorted(name.replace("_", "-") for name in modules if not name.startswith("_"))


def load(package: str, name: str, *, kind: str) -> Any:
    """Import the one file of plug-in `name` and return the object of the same name in it.

    Args:
        package: Dotted name of the package that holds the plug-ins.
        name: As on the command line.
        kind: What to call it in the message, such as `strategy`.

    Raises:
        UsageError: There is no such plug-in; near matches are named.
    """
    known = names(package)
    if name not in known:
        raise UsageError(unknown(kind, name, known), hint=f"one of: {', '.join(known)}")
    identifier = name.replace("-", "_")
    return getattr(importlib.import_module(f"{package}.{identifier}"), identifier)


def unknown(kind: str, name: str, known: list[str]) -> str:
    """Say that `name` is unknown and which of `known` are near to it."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"unknown {kind} '{name}'{meant}"
