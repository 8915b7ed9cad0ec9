"""What strategies of optimal design share, both greedy ones and those that relax the choice to weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt
from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy
from labelbench_plus.strategies._papers import OPTIMAL_DESIGN
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.algorithms.design.design_rounding import RoundedDesign
    from labelbench_plus.algorithms.design.relaxed_design import RelaxedDesign


@dataclass(frozen=True)
class DesignStrategy(PoolStrategy):
    """Base of strategies whose information matrix is that of frozen features.

    Parameters
    ----------
    ridge: weight of the identity, in units of the features' average variance, which is one.
    """

    reference = OPTIMAL_DESIGN
    needs = frozenset({"features"})

    ridge: Annotated[float, Gt(0)] = 1.0


class GreedyDesignStrategy(DesignStrategy):
    """Picks next the item that improves a criterion most per price."""

    def greedy(self) -> Callable[..., Tensor]:
        """The primitive of the criterion, one of `algorithms.design.greedy_design`."""
        raise NotImplementedError

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        choose = self.greedy()
        return view.candidates[
            choose(view.features, n, ridge=self.ridge, labelled=view.labelled_features, prices=view.prices)
        ]


class RelaxedDesignStrategy(DesignStrategy):
    """Picks the items of a relaxed design, rounded; those that raise log det M most per price come first.

    Notes `certified_efficiency`: a certified lower bound on this choice's share of the best possible criterion. A
    design has no order, but a query does: where prices differ, the oracle buys from the top of the list what fits.
    """

    def relaxation(self) -> tuple[Callable[..., RelaxedDesign], Callable[..., RoundedDesign]]:
        """The primitives of the criterion: what finds the weights, and what rounds them to rows."""
        raise NotImplementedError

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.blocks.checks import check_count
        from labelbench_plus.algorithms.design.greedy_design import d_optimal

        check_count(n, len(view.candidates))
        if n == 0:
            return view.candidates[:0]
        relax, to_rows = self.relaxation()
        features, labelled = view.features, view.labelled_features
        design = relax(features, n, ridge=self.ridge, labelled=labelled)
        rounded = to_rows(features, design, ridge=self.ridge, labelled=labelled)
        view.note("certified_efficiency", rounded.certificate.efficiency)
        picks = rounded.picks
        order = d_optimal(features[picks], n, ridge=self.ridge, labelled=labelled, prices=view.prices[picks])
        return view.candidates[picks[order]]
