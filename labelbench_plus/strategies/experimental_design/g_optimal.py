"""G-optimal design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.strategies import strategies
from labelbench_plus.strategies.experimental_design._design import GreedyDesignStrategy

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@strategies.register("g_optimal")
@dataclass(frozen=True)
class GOptimal(GreedyDesignStrategy):
    """Minimise the largest variance of a prediction over the pool, greedily.

    The information matrix is ridge · identity plus the outer products of the frozen features of what is chosen, and of
    what is labelled already (Pukelsheim, 2006; Fedorov, 1972). Where items have prices, the gain per unit of budget
    counts.

    Parameters
    ----------
    ridge: weight of the identity, in units of the features' average variance, which is one.
    """

    title = "G-optimal design"

    def greedy(self) -> Callable[..., Tensor]:
        from labelbench_plus.algorithms.design.greedy_design import g_optimal

        return g_optimal
