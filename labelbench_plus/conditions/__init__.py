"""Conditions: one file each. A condition makes a clean problem harder in one known way."""

from labelbench_plus.contracts.conditions import (
    OUTLIER,
    Condition,
    Features,
    Part,
    Setting,
    conditions,
    keep_pool,
    with_answers,
)

__all__ = [
    "OUTLIER",
    "Condition",
    "Features",
    "Part",
    "Setting",
    "conditions",
    "keep_pool",
    "with_answers",
]
