"""Tasks that take turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("task_diversity")
@dataclass(frozen=True)
class TaskDiversity(PoolStrategy):
    """Query the tasks in turn, and from each the prompt that the model was least sure how to answer.

    After arXiv 2507.21482. Tasks with fewer purchases come first, so every budget buys a prefix of the next. It needs
    the names of tasks, which are public where a source has them. Where items have prices, the doubt per unit of budget
    counts within a task.
    """

    title = "Task diversity"
    needs = frozenset({"tasks", "mean_token_uncertainty"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.round_robin import round_robin
        from labelbench_plus.algorithms.token_uncertainty import MEASURES

        doubt = view.mean_token_uncertainty[:, MEASURES.index("least_confidence")]
        return view.candidates[round_robin(view.tasks, doubt / view.prices, n, taken=view.labelled_tasks)]
