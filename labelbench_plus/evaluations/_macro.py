"""Means over tasks, each of which counts alike however many items it has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelbench_plus.prompts import TestItem


def macro(values: Sequence[float] | np.ndarray, test: Sequence[TestItem]) -> float:
    """The mean over tasks of the mean of an item's value; n of both."""
    by_task: dict[str, list[float]] = {}
    for item, value in zip(test, values, strict=True):
        by_task.setdefault(item.prompt.task, []).append(float(value))
    return float(np.mean([np.mean(found) for found in by_task.values()]))
