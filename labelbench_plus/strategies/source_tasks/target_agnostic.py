"""Labels that tell about the whole representation, whatever the targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from numpy.random import Generator

from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.papers import TASK_SPACE
from labelbench_plus.source_tasks.space import Finite
from labelbench_plus.source_tasks.view import SourceView
from labelbench_plus.strategies import SourceStrategy, strategies
from labelbench_plus.strategies.source_tasks._design import explore, joined, rows
from labelbench_plus.strategies.source_tasks._spend import spend


@strategies.register("target_agnostic")
@dataclass(frozen=True)
class TargetAgnostic(SourceStrategy):
    """The E-optimal design in the learned k-dimensional space of heads.

    Over a finite list by cutting planes, on the ball in closed form, in a box over random candidates.

    Parameters
    ----------
    weights: "e_optimal", or "equal" parts of the same sources, as the authors' program does on the ball.

    Source: Chen, Huang, Du, Jamieson, Shi, "Active representation learning for general task space" (NeurIPS 2023), its
    target-agnostic exploration; the weights are our reading of E-optimality.
    """

    title = "Target-agnostic design"
    reference = TASK_SPACE
    needs = frozenset({"task_map"})

    weights: Literal["e_optimal", "equal"] = "e_optimal"

    def select(self, view: SourceView, n: int, rng: Generator) -> Allocation:
        sources, share = explore(view, view.task_map, self.weights, rng)
        if isinstance(view.space, Finite):
            return spend(view, share, n)
        return joined([rows(sources, share, n)])
