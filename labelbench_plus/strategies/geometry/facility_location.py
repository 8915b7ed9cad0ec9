"""Facility location."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt
from numpy.random import Generator

from labelbench_plus.plugins import Since
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

    Exact. What is labelled already represents its surroundings. Where items have prices, the gain per unit of budget
    counts (knapsack greedy; Leskovec et al., 2007).

    Parameters
    ----------
    scale: width of the Gaussian similarity exp(−‖x − y‖² / γ), as γ over the mean squared distance of two items.
    width_for: the largest budget to be spent. If given, the width is chosen for it, without labels, from all items of
        the pool (`algorithms.facility_location_width`), and `scale` is ignored. It is the same in every round, so a
        smaller budget buys a prefix of what a larger one buys.
    """

    title = "Facility location"
    reference = Reference(("Nemhauser", "Wolsey", "Fisher"), 1978)
    needs = frozenset({"features"})

    scale: Annotated[float, Gt(0)] = 0.1
    width_for: Annotated[int | None, Ge(1), Since("0.1")] = None

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.blocks.similarity import Rbf
        from labelbench_plus.algorithms.facility_location import FacilityLocation, facility_location

        features, centers = view.features, view.labelled_features
        similarity = Rbf(scale=self.scale if self.width_for is None else self._width(view))
        chosen = pick_or_buy(
            view,
            n,
            lambda: facility_location(features, n, centers=centers, similarity=similarity),
            lambda: FacilityLocation(features, centers=centers, similarity=similarity),
        )
        return view.candidates[chosen]

    def _width(self, view: PoolView) -> float:
        """The scale for the whole pool, noted beside the round's costs."""
        import torch

        from labelbench_plus.algorithms.facility_location_width import chosen_scale

        order = torch.cat([view.candidates, view.labelled]).argsort()  # by pool index: the same rows in every round
        whole = torch.cat([view.features, view.labelled_features])[order]
        scale = chosen_scale(whole, min(self.width_for or 1, len(whole)))
        view.note("scale", scale)
        return scale
