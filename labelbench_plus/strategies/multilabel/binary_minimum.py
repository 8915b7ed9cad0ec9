"""BinMin: the label closest to its decision boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("binary_minimum")
@dataclass(frozen=True)
class BinaryMinimum(PoolStrategy):
    """Query where one label is closest to undecided, whatever the others are (Brinker, 2006; known as BinMin).

    Brinker measures the distance to the boundary of each label's support vector machine, this the distance of its
    probability from 1/2. Where items have prices, 1/2 less that distance is counted per unit of budget.
    """

    title = "BinMin"
    reference = Reference(("Brinker",), 2006, "On active learning in multi-label classification")
    needs = frozenset({"label_probabilities"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.label_uncertainty import binary_minimum
        from labelbench_plus.algorithms.uncertainty import top_scores

        return view.candidates[top_scores((0.5 - binary_minimum(view.label_probabilities)) / view.prices, n)]
