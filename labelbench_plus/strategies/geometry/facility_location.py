"""Facility location."""

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


@strategies.register("facility_location")
@dataclass(frozen=True)
class FacilityLocationStrategy(PoolStrategy):
    """Query the items that best represent the whole pool: Σ_i max_j w_ij, greedily (Nemhauser et al., 1978).

    Exact. What is labelled already represents its surroundings. Where items have prices, the gain per unit of money
    counts (knapsack greedy; Leskovec et al., 2007).

    Parameters
    ----------
    scale: width of the Gaussian similarity exp(−‖x − y‖² / γ), as γ over the mean squared distance of two items.
    """

    title = "Facility location"
    reference = Reference(("Nemhauser", "Wolsey", "Fisher"), 1978)
    needs = frozenset({"features"})

    scale: Annotated[float, Gt(0)] = 0.1

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.blocks.similarity import Rbf
        from labelbench_plus.algorithms.facility_location import FacilityLocation, facility_location

        features, centers = view.features, view.labelled_features
        chosen = pick_or_buy(
            view,
            n,
            lambda: facility_location(features, n, centers=centers, similarity=Rbf(scale=self.scale)),
            lambda: FacilityLocation(features, centers=centers, similarity=Rbf(scale=self.scale)),
        )
        return view.candidates[chosen]
