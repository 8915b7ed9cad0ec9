"""GSy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._papers import GREEDY_SAMPLING
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("gsy")
@dataclass(frozen=True)
class GSy(PoolStrategy):
    """Query, one by one, the item with the prediction farthest from any label (Wu et al., 2019, algorithm GSy).

    The paper asks for one label at a time; within a batch, the prediction of an item just chosen stands in for its
    label, and the model is not updated.
    """

    title = "GSy"
    reference = GREEDY_SAMPLING
    needs = frozenset({"predictions"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.greedy_sampling import gsy

        return view.candidates[gsy(view.predictions, n, labels=view.answers)]  # type: ignore[arg-type]
