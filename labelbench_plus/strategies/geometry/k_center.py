"""CoreSet: greedy k-center."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("k_center")
@dataclass(frozen=True)
class KCenter(PoolStrategy):
    """Query, one by one, the item farthest from everything chosen so far (Sener & Savarese, 2018, algorithm 1).

    Distances are Euclidean in the frozen features, so it also works before any model exists.
    """

    title = "k-center greedy"
    reference = Reference(
        ("Sener", "Savarese"), 2018, "Active learning for convolutional neural networks: a core-set approach"
    )
    needs = frozenset({"features"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.k_center import k_center_greedy

        return view.candidates[k_center_greedy(view.features, n, centers=view.labelled_features)]
