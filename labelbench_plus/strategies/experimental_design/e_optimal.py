"""E-optimal design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt
from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._papers import OPTIMAL_DESIGN
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("e_optimal")
@dataclass(frozen=True)
class EOptimal(PoolStrategy):
    """Maximise the smallest eigenvalue of the information matrix: the worst direction, greedily.

    The information matrix is ridge · identity plus the outer products of the frozen features of what is chosen, and of
    what is labelled already (Pukelsheim, 2006; Fedorov, 1972). Where items have prices, the gain per unit of money
    counts.

    Parameters
    ----------
    ridge: weight of the identity, in units of the features' average variance, which is one.
    """

    title = "E-optimal design"
    reference = OPTIMAL_DESIGN
    needs = frozenset({"features"})

    ridge: Annotated[float, Gt(0)] = 1.0

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.design.greedy_design import e_optimal

        return view.candidates[
            e_optimal(view.features, n, ridge=self.ridge, labelled=view.labelled_features, prices=view.prices)
        ]
