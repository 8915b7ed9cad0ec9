"""Facility location on a nearest-neighbour graph."""

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


@strategies.register("sparse_facility_location")
@dataclass(frozen=True)
class SparseFacilityLocationStrategy(PoolStrategy):
    """Facility location that counts only each item's nearest neighbours: an approximation for large pools.

    Where items have prices, the gain per unit of budget counts (knapsack greedy; Leskovec et al., 2007).

    Parameters
    ----------
    scale: width of the Gaussian similarity exp(−‖x − y‖² / γ), as γ over the mean squared distance of two items.
    neighbours: how many of each item count; similarity to all others is taken as zero.
    """

    title = "Sparse facility location"
    reference = Reference(("Wei", "Iyer", "Bilmes"), 2014, "Fast multi-stage submodular maximization")
    needs = frozenset({"features"})

    scale: Annotated[float, Gt(0)] = 0.1
    neighbours: Annotated[int, Ge(1)] = 64

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.blocks.similarity import Rbf
        from labelbench_plus.algorithms.facility_location import SparseFacilityLocation, sparse_facility_location

        features, centers = view.features, view.labelled_features
        chosen = pick_or_buy(
            view,
            n,
            lambda: sparse_facility_location(
                features, n, neighbours=self.neighbours, centers=centers, similarity=Rbf(scale=self.scale)
            ),
            lambda: SparseFacilityLocation(
                features, neighbours=self.neighbours, centers=centers, similarity=Rbf(scale=self.scale)
            ),
        )
        return view.candidates[chosen]
