"""The pool strategies there are, and pool views made by hand to put them before."""

from __future__ import annotations

from labelbench_plus.plugins import registry
from labelbench_plus.strategies import PoolStrategy
from labelbench_plus.testing.pool_scene import make_view

__all__ = ["make_view", "pool_strategies"]


def pool_strategies() -> list[str]:
    """Every built-in strategy that chooses from a pool by itself."""
    found = registry("strategies")
    return [
        name
        for name in found.entries()
        if issubclass(found.load(name), PoolStrategy) and found.entries()[name].origin == "built in"
    ]
