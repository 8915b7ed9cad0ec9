"""Graph cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt
from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._knapsack import pick_or_buy
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("graph_cut")
@dataclass(frozen=True)
class GraphCutStrategy(PoolStrategy):
    """Query items similar to the pool and dissimilar to each other (graph cut; Iyer & Bilmes, 2013).

    Where items have prices, the gain per unit of budget counts (knapsack greedy; Leskovec et al., 2007).

    Parameters
    ----------
    scale: width of the Gaussian similarity exp(−‖x − y‖² / γ), as γ over the mean squared distance of two items.
    trade_off: λ, the weight of similarity to the pool against similarity within the batch; from 2 on the objective is
        monotone.
    """

    title = "Graph cut"
    reference = Reference(("Iyer", "Bilmes"), 2013)
    needs = frozenset({"features"})

    scale: Annotated[float, Gt(0)] = 0.1
    trade_off: Annotated[float, Ge(2)] = 2.0

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.blocks.similarity import Rbf
        from labelbench_plus.algorithms.graph_cut import GraphCut, graph_cut

        features, centers = view.features, view.labelled_features
        chosen = pick_or_buy(
            view,
            n,
            lambda: graph_cut(features, n, trade_off=self.trade_off, centers=centers, similarity=Rbf(scale=self.scale)),
            lambda: GraphCut(features, trade_off=self.trade_off, centers=centers, similarity=Rbf(scale=self.scale)),
        )
        return view.candidates[chosen]
