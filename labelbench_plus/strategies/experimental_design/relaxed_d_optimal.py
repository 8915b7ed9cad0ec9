"""D-optimal design by convex relaxation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.strategies import strategies
from labelbench_plus.strategies.experimental_design._design import RelaxedDesignStrategy

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelbench_plus.algorithms.design.design_rounding import RoundedDesign
    from labelbench_plus.algorithms.design.relaxed_design import RelaxedDesign


@strategies.register("relaxed_d_optimal")
@dataclass(frozen=True)
class RelaxedDOptimal(RelaxedDesignStrategy):
    """Maximise the log det of the information matrix: the volume of the confidence ellipsoid, through weights.

    Weights of at most one that sum to the batch size are optimised up to a duality gap of 0.01 % and rounded to
    distinct items (Pukelsheim, 2006; Fedorov, 1972). The information matrix is that of `d_optimal`. Prices do not enter
    the design, only the order in which its items are bought.

    Parameters
    ----------
    ridge: weight of the identity, in units of the features' average variance, which is one.
    """

    title = "D-optimal design, relaxed"

    def relaxation(self) -> tuple[Callable[..., RelaxedDesign], Callable[..., RoundedDesign]]:
        from labelbench_plus.algorithms.design.design_rounding import round_d_optimal
        from labelbench_plus.algorithms.design.relaxed_design import relaxed_d_optimal

        return relaxed_d_optimal, round_d_optimal
