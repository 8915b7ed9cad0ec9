"""Facility location weighted by uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt
from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._knapsack import pick_or_buy
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("weighted_facility_location")
@dataclass(frozen=True)
class WeightedFacilityLocation(PoolStrategy):
    """Facility location in which uncertain items weigh more: Σ_i a_i max_j w_ij with a the normalised entropy.

    Our own combination of two families that Bhatt et al. (2024) compare. Prices count as in `facility_location`.

    Parameters
    ----------
    scale: width of the Gaussian similarity exp(−‖x − y‖² / γ), as γ over the mean squared distance of two items.
    """

    title = "Uncertainty-weighted facility location"
    needs = frozenset({"probabilities", "features"})

    scale: Annotated[float, Gt(0)] = 0.1

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.blocks.similarity import Rbf
        from labelbench_plus.algorithms.facility_location import FacilityLocation, facility_location
        from labelbench_plus.algorithms.uncertainty import entropy

        weights = entropy(view.probabilities)
        weights = weights / weights.sum() if weights.sum() > 0 else torch.ones_like(weights)
        features, centers = view.features, view.labelled_features
        chosen = pick_or_buy(
            view,
            n,
            lambda: facility_location(features, n, centers=centers, weights=weights, similarity=Rbf(scale=self.scale)),
            lambda: FacilityLocation(features, centers=centers, weights=weights, similarity=Rbf(scale=self.scale)),
        )
        return view.candidates[chosen]
