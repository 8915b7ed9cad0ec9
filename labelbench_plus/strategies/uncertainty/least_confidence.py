"""Least-confidence sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("least_confidence")
@dataclass(frozen=True)
class LeastConfidence(PoolStrategy):
    """Query where the most probable class is least probable (Lewis & Gale, 1994; Settles, 2009, eq. 1).

    Where items have prices, the uncertainty per unit of budget counts.
    """

    title = "Least confidence"
    reference = Reference(("Lewis", "Gale"), 1994)
    needs = frozenset({"probabilities"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.uncertainty import least_confidence, top_scores

        return view.candidates[top_scores(least_confidence(view.probabilities) / view.prices, n)]
