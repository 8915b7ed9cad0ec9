"""Facility location on a nearest-neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.facility_location import sparse_facility_location
from labelbench_plus.algorithms.similarity import Rbf
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView


@strategies.register("sparse_facility_location")
@dataclass(frozen=True)
class SparseFacilityLocation(PoolStrategy):
    """Facility location that counts only each item's nearest neighbours: an approximation for large pools.

    Parameters
    ----------
    scale: width of the Gaussian similarity exp(−‖x − y‖² / γ), as γ over the mean squared distance of two items.
    neighbours: how many of each item count; similarity to all others is taken as zero.
    """

    needs = frozenset({"features"})

    scale: Annotated[float, Gt(0)] = 0.1
    neighbours: Annotated[int, Ge(1)] = 64

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        return view.candidates[
            sparse_facility_location(
                view.features,
                n,
                neighbours=self.neighbours,
                centers=view.labelled_features,
                similarity=Rbf(scale=self.scale),
            )
        ]
