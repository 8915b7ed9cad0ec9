"""Pairs that a reward model cannot tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("pair_uncertainty")
@dataclass(frozen=True)
class PairUncertainty(PoolStrategy):
    """Query the pairs whose rewards the current model finds most alike: the smallest |r_i - r_j|.

    Not in the paper that proxy rewards come from. It also finds the pairs that are ties, which cost as much and teach
    nothing.
    """

    title = "Uncertainty of pairs"
    needs = frozenset({"pairs", "predictions"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.uncertainty import top_scores

        return view.candidates[top_scores(-view.predictions.abs(), n)]
