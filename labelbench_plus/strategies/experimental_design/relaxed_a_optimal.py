"""A-optimal design by convex relaxation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.strategies import strategies
from labelbench_plus.strategies.experimental_design._design import RelaxedDesignStrategy

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelbench_plus.algorithms.design.design_rounding import RoundedDesign
    from labelbench_plus.algorithms.design.relaxed_design import RelaxedDesign


@strategies.register("relaxed_a_optimal")
@dataclass(frozen=True)
class RelaxedAOptimal(RelaxedDesignStrategy):
    """Minimise the trace of the inverse information matrix: the mean variance of the coefficients, through weights.

    Weights of at most one that sum to the batch size are optimised up to a duality gap of 0.01 % and rounded to
    distinct items (Pukelsheim, 2006; Avron and Boutsidis, 2013). The information matrix is that of `a_optimal`. Prices
    do not enter the design, only the order in which its items are bought.

    Parameters
    ----------
    ridge: weight of the identity, in units of the features' average variance, which is one.
    """

    title = "A-optimal design, relaxed"

    def relaxation(self) -> tuple[Callable[..., RelaxedDesign], Callable[..., RoundedDesign]]:
        from labelbench_plus.algorithms.design.design_rounding import round_a_optimal
        from labelbench_plus.algorithms.design.relaxed_design import relaxed_a_optimal

        return relaxed_a_optimal, round_a_optimal
