"""V-optimal design by convex relaxation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt
from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._papers import OPTIMAL_DESIGN
from labelbench_plus.strategies.experimental_design._relaxed import relax_and_round
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("relaxed_v_optimal")
@dataclass(frozen=True)
class RelaxedVOptimal(PoolStrategy):
    """Minimise the mean variance of the predictions over the pool, through weights.

    Weights of at most one that sum to the batch size are optimised up to a duality gap of 0.01 % and rounded to
    distinct items (Pukelsheim, 2006; Avron and Boutsidis, 2013). The information matrix is that of `v_optimal`. Prices
    do not enter the design, only the order in which its items are bought.

    Parameters
    ----------
    ridge: weight of the identity, in units of the features' average variance, which is one.
    """

    title = "V-optimal design, relaxed"
    reference = OPTIMAL_DESIGN
    needs = frozenset({"features"})

    ridge: Annotated[float, Gt(0)] = 1.0

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.design.design_rounding import round_v_optimal
        from labelbench_plus.algorithms.design.relaxed_design import relaxed_v_optimal

        return relax_and_round(view, n, self.ridge, relaxed_v_optimal, round_v_optimal)
