"""Conditions: one file each. A condition makes a clean classification problem harder in one known way."""

from labelbench_plus.contracts.conditions import OUTLIER, Condition, Part, Setting, conditions, keep_pool, with_answers

__all__ = [
    "OUTLIER",
    "Condition",
    "Part",
    "Setting",
    "conditions",
    "keep_pool",
    "with_answers",
]
