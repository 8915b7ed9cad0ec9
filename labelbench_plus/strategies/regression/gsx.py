"""GSx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._papers import GREEDY_SAMPLING
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("gsx")
@dataclass(frozen=True)
class GSx(PoolStrategy):
    """Query, one by one, the item farthest from everything chosen so far (Wu et al., 2019, algorithm GSx).

    This is `k_center` except for the first item of a run: the one nearest to the pool's mean.
    """

    title = "GSx"
    reference = GREEDY_SAMPLING
    needs = frozenset({"features"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.greedy_sampling import gsx

        return view.candidates[gsx(view.features, n, labelled=view.labelled_features)]
