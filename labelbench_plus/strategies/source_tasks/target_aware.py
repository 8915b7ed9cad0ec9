"""Labels that tell about what the targets use of the representation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from numpy.random import Generator

from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.papers import TASK_SPACE
from labelbench_plus.source_tasks.view import SourceView
from labelbench_plus.strategies import SourceStrategy, strategies
from labelbench_plus.strategies.source_tasks._aware import aware


@strategies.register("target_aware")
@dataclass(frozen=True)
class TargetAware(SourceStrategy):
    """The c-optimal (several targets: V-optimal) design for the targets' heads, beside some exploration.

    Of n labels min(n^¾ k, n / 2) explore as `target_agnostic` does. Both parts are chosen from the model of the round
    before; the authors refit in between, which changes nothing we could measure.

    Parameters
    ----------
    weights: of the exploration, see `target_agnostic`.
    search: in a box, "nearest" asks for the one task whose head comes nearest to the target's (the authors' search),
        "design" for the design over random candidates.

    Source: Chen, Huang, Du, Jamieson, Shi, "Active representation learning for general task space" (NeurIPS 2023).
    """

    title = "Target-aware design"
    reference = TASK_SPACE
    needs = frozenset({"task_map", "target_heads"})

    weights: Literal["e_optimal", "equal"] = "e_optimal"
    search: Literal["nearest", "design"] = "design"

    def select(self, view: SourceView, n: int, rng: Generator) -> Allocation:
        return aware(view, view.task_map, view.target_heads, n, self.weights, self.search, rng)
