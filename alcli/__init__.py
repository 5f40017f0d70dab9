"""alcli: which images to label next.

As a library: `alcli.rank(strategy, k=..., ...)` and `alcli.strategies()`, which the commands use too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alcli.ranking import Selection, rank, strategies

__version__ = "0.1.0"
__all__ = ["Selection", "__version__", "rank", "strategies"]


def __getattr__(name: str) -> Any:
    """Import the ranking functions when they are first asked for: `import alcli` costs nothing."""
    if name in ("Selection", "rank", "strategies"):
        from alcli import ranking

        return getattr(ranking, name)
    raise AttributeError(f"module 'alcli' has no attribute '{name}'")
