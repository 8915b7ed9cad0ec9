"""Entropy sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("entropy")
@dataclass(frozen=True)
class Entropy(PoolStrategy):
    """Query where the predicted distribution has the largest entropy (Settles, 2009, eq. 3).

    Where items have prices, the uncertainty per unit of budget counts.
    """

    title = "Entropy"
    reference = Reference(("Settles",), 2009)
    needs = frozenset({"probabilities"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.uncertainty import entropy, top_scores

        return view.candidates[top_scores(entropy(view.probabilities) / view.prices, n)]
