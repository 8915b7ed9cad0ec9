"""Facility location weighted by uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.facility_location import facility_location
from labelbench_plus.algorithms.similarity import Rbf
from labelbench_plus.algorithms.uncertainty import entropy
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView


@strategies.register("weighted_facility_location")
@dataclass(frozen=True)
class WeightedFacilityLocation(PoolStrategy):
    """Facility location in which uncertain items weigh more: Σ_i a_i max_j w_ij with a the normalised entropy.

    A mixture of our own choosing of the two families that Bhatt et al. (2024) compare.

    Parameters
    ----------
    scale: width of the Gaussian similarity exp(−‖x − y‖² / γ), as γ over the mean squared distance of two items.
    """

    needs = frozenset({"probabilities", "features"})

    scale: Annotated[float, Gt(0)] = 0.1

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        weights = entropy(view.probabilities)
        weights = weights / weights.sum() if weights.sum() > 0 else torch.ones_like(weights)
        return view.candidates[
            facility_location(
                view.features, n, centers=view.labelled_features, weights=weights, similarity=Rbf(scale=self.scale)
            )
        ]
