"""Random sampling balanced over predicted classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("class_balanced_random")
@dataclass(frozen=True)
class ClassBalancedRandom(PoolStrategy):
    """Query at random, with equal numbers of each *predicted* class where possible: no label is read."""

    title = "Class-balanced random"
    needs = frozenset({"probabilities"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.blocks.checks import check_probabilities
        from labelbench_plus.algorithms.class_balanced import class_balanced_random

        predicted = check_probabilities(view.probabilities).argmax(dim=1)
        return view.candidates[class_balanced_random(predicted, n, rng)]
