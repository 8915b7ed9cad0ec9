"""The pool strategies there are, and pool views made by hand to put them before."""

from __future__ import annotations

from labelbench_plus.plugins import registry
from labelbench_plus.strategies import PoolStrategy
from labelbench_plus.testing.pool_scene import make_view

__all__ = ["make_view", "pool_strategies"]

OF_RESPONSES = frozenset({"evaluation_features", "instruction_features", "off_policy"})
"""What only pools of responses have: strategies that read it are put before one in test_preference_tuning."""


def pool_strategies() -> list[str]:
    """Every built-in strategy that chooses from a pool by itself, but for bounds: only a problem has what they read."""
    found = registry("strategies")
    return [
        name
        for name in found.entries()
        if found.entries()[name].origin == "built in"
        and issubclass(found.load(name), PoolStrategy)
        and not found.load(name).knows_truth
        and not (isinstance(found.load(name).needs, frozenset) and found.load(name).needs & OF_RESPONSES)
    ]
