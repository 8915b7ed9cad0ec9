"""Strategies: one file each, one folder a family. A strategy decides what to buy next."""

from labelbench_plus.contracts.strategies import Cost, PoolStrategy, Strategy, strategies
from labelbench_plus.source_tasks.strategy import SourceStrategy

__all__ = [
    "Cost",
    "PoolStrategy",
    "SourceStrategy",
    "Strategy",
    "strategies",
]
