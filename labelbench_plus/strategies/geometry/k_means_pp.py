"""k-means++ seeding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("k_means_pp")
@dataclass(frozen=True)
class KMeansPlusPlus(PoolStrategy):
    """Query by D² sampling in the frozen features (Arthur & Vassilvitskii, 2007).

    Each item is drawn with a probability proportional to its squared distance from what has been chosen so far.
    """

    title = "k-means++"
    reference = Reference(("Arthur", "Vassilvitskii"), 2007, "k-means++: the advantages of careful seeding")
    needs = frozenset({"features"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.d2_sampling import k_means_pp

        centers = view.labelled_features if len(view.labelled) else None
        return view.candidates[k_means_pp(view.features, n, rng, centers=centers)]
