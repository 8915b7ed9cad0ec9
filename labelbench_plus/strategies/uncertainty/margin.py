"""Margin sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("margin")
@dataclass(frozen=True)
class Margin(PoolStrategy):
    """Query where the two most probable classes are closest (Scheffer et al., 2001).

    Where items have prices, the uncertainty per unit of budget counts.
    """

    title = "Margin"
    reference = Reference(("Scheffer", "Decomain", "Wrobel"), 2001)
    needs = frozenset({"probabilities"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.uncertainty import margin, top_scores

        return view.candidates[top_scores((1 - margin(view.probabilities)) / view.prices, n)]
