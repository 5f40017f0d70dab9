"""Query strategies, one file each: arithmetic over saved signals that says which images to label next.

A strategy is a function whose signature is its contract (see `_strategy`). The package can be called:
`alcli.strategies()` lists their names. As it is a sub-package of `alcli` too, importing any of it binds the
name `alcli.strategies` to the package, so the package itself has to answer the call.
"""

from __future__ import annotations

import sys
from types import ModuleType

from alcli import plugins


class _Strategies(ModuleType):
    def __call__(self) -> list[str]:
        """Return the names of all strategies, as the command line spells them."""
        return plugins.names(__name__)


sys.modules[__name__].__class__ = _Strategies
