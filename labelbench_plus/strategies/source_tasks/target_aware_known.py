"""The target-aware design, told the true map from tasks to heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from numpy.random import Generator

from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.papers import TASK_SPACE
from labelbench_plus.source_tasks.view import SourceView
from labelbench_plus.strategies import SourceStrategy, strategies
from labelbench_plus.strategies.source_tasks._aware import aware


@strategies.register("target_aware_known")
@dataclass(frozen=True)
class TargetAwareKnown(SourceStrategy):
    """`target_aware` with the true map and target heads in place of estimates: a bound, not a method.

    Parameters
    ----------
    weights, search: as those of `target_aware`.

    Source: Chen, Huang, Du, Jamieson, Shi (NeurIPS 2023).
    """

    title = "Target-aware design, true map"
    reference = TASK_SPACE
    needs = frozenset({"true_heads"})
    knows_truth = True

    weights: Literal["e_optimal", "equal"] = "e_optimal"
    search: Literal["nearest", "design"] = "design"

    def select(self, view: SourceView, n: int, rng: Generator) -> Allocation:
        return aware(view, view.true_task_map, view.true_target_heads, n, self.weights, self.search, rng)
