"""Query by committee."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("query_by_committee")
@dataclass(frozen=True)
class QueryByCommittee(PoolStrategy):
    """Query where the predictions of several models vary most (Burbidge et al., 2007).

    The members are the trainer's: refits on bootstrap samples or without an example, draws from a posterior, trees,
    networks. Where items have prices, the variance per unit of budget counts.
    """

    title = "Query by committee"
    reference = Reference(
        ("Burbidge", "Rowland", "King"), 2007, "Active learning for regression based on query by committee"
    )
    needs = frozenset({"members"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.committee import committee_variance
        from labelbench_plus.algorithms.uncertainty import top_scores

        return view.candidates[top_scores(committee_variance(view.members) / view.prices, n)]
