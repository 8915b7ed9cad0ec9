"""BALD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("bald")
@dataclass(frozen=True)
class Bald(PoolStrategy):
    """Query where plausible models are confident but disagree (Houlsby et al., 2011; Gal et al., 2017).

    Where items have prices, the information per unit of budget counts.
    """

    title = "BALD"
    reference = Reference(("Houlsby", "others"), 2011, arxiv="1112.5745")
    needs = frozenset({"member_probabilities"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.bald import bald
        from labelbench_plus.algorithms.uncertainty import top_scores

        return view.candidates[top_scores(bald(view.member_probabilities) / view.prices, n)]
