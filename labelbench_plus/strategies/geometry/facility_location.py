"""Facility location."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.facility_location import facility_location
from labelbench_plus.algorithms.similarity import Rbf
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView


@strategies.register("facility_location")
@dataclass(frozen=True)
class FacilityLocation(PoolStrategy):
    """Query the items that best represent the whole pool: Σ_i max_j w_ij, greedily (Nemhauser et al., 1978).

    Exact. What is labelled already represents its surroundings.

    Parameters
    ----------
    scale: width of the Gaussian similarity exp(−‖x − y‖² / γ), as γ over the mean squared distance of two items.
    """

    needs = frozenset({"features"})

    scale: Annotated[float, Gt(0)] = 0.1

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        return view.candidates[
            facility_location(view.features, n, centers=view.labelled_features, similarity=Rbf(scale=self.scale))
        ]
