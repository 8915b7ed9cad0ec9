"""k-center on what a judge would read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._papers import PROXY_REWARD
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("coreset_eft")
@dataclass(frozen=True)
class CoresetEft(PoolStrategy):
    """Query, one by one, what is farthest from everything chosen so far: k-center greedy (Chen et al., 2024).

    Distances are between the policy's states of what a judge would be asked, prompt and response included.
    """

    title = "Coreset of evaluations"
    reference = PROXY_REWARD
    needs = frozenset({"evaluation_features"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.k_center import k_center_greedy

        return view.candidates[k_center_greedy(view.evaluation_features, n, centers=view.labelled_evaluation_features)]
