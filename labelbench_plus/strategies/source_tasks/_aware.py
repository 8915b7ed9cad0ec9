"""The allocation that target-aware strategies share, learned or told."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.space import Finite
from labelbench_plus.source_tasks.view import SourceView
from labelbench_plus.strategies.source_tasks._design import Search, Weights, aim, explore, joined, rows
from labelbench_plus.strategies.source_tasks._spend import spend


def aware(
    view: SourceView,
    task_map: np.ndarray,
    targets: np.ndarray,
    n: int,
    weights: Weights,
    search: Search,
    rng: Generator,
) -> Allocation:
    """min(n^¾ k, n / 2) labels to explore all of the representation, the rest for what the targets use."""
    exploring = min(int(n**0.75 * view.rank), n // 2)
    wide, narrow = explore(view, task_map, weights, rng), aim(view, task_map, targets, search, rng)
    if isinstance(view.space, Finite):
        return spend(view, (exploring * wide[1] + (n - exploring) * narrow[1]) / max(n, 1), n)
    return joined([rows(*wide, exploring), rows(*narrow, n - exploring)])
