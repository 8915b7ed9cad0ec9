"""Log-determinant of a kernel matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt
from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._knapsack import pick_or_buy
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("log_det")
@dataclass(frozen=True)
class LogDetStrategy(PoolStrategy):
    """Query the items that span the largest volume: log det(I + α K), greedily (Chen et al., 2018).

    Where items have prices, the gain per unit of budget counts (knapsack greedy; Leskovec et al., 2007).

    Parameters
    ----------
    scale: width of the Gaussian similarity exp(−‖x − y‖² / γ), as γ over the mean squared distance of two items.
    alpha: weight of the kernel against the identity.
    """

    title = "Log-determinant"
    reference = Reference(("Chen", "Zhang", "Zhou"), 2018, arxiv="1709.05135")
    needs = frozenset({"features"})

    scale: Annotated[float, Gt(0)] = 0.1
    alpha: Annotated[float, Gt(0)] = 1.0

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.blocks.similarity import Rbf
        from labelbench_plus.algorithms.log_det import LogDet, log_det

        features, centers = view.features, view.labelled_features
        chosen = pick_or_buy(
            view,
            n,
            lambda: log_det(features, n, alpha=self.alpha, centers=centers, kernel=Rbf(scale=self.scale)),
            lambda: LogDet(features, alpha=self.alpha, centers=centers, kernel=Rbf(scale=self.scale)),
        )
        return view.candidates[chosen]
