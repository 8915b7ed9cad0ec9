"""Graph cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.graph_cut import graph_cut
from labelbench_plus.algorithms.similarity import Rbf
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView


@strategies.register("graph_cut")
@dataclass(frozen=True)
class GraphCut(PoolStrategy):
    """Query items similar to the pool and dissimilar to each other (graph cut; Iyer & Bilmes, 2013).

    Parameters
    ----------
    scale: width of the Gaussian similarity exp(−‖x − y‖² / γ), as γ over the mean squared distance of two items.
    trade_off: λ, the weight of similarity to the pool against similarity within the batch.
    """

    needs = frozenset({"features"})

    scale: Annotated[float, Gt(0)] = 0.1
    trade_off: Annotated[float, Gt(0)] = 2.0

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        return view.candidates[
            graph_cut(
                view.features,
                n,
                trade_off=self.trade_off,
                centers=view.labelled_features,
                similarity=Rbf(scale=self.scale),
            )
        ]
