"""BatchBALD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("batch_bald")
@dataclass(frozen=True)
class BatchBald(PoolStrategy):
    """Query the batch whose labels together tell most about the model (Kirsch et al., 2019, algorithm 1).

    The joint entropy is exact for the first picks, and estimated from sampled labels after that. It cannot exceed the
    logarithm of the number of members, so a large batch is filled up at random once nothing is left to learn.
    """

    title = "BatchBALD"
    reference = Reference(("Kirsch", "van Amersfoort", "Gal"), 2019, arxiv="1906.08158")
    needs = frozenset({"member_probabilities"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.batch_bald import batch_bald_sampled

        return view.candidates[batch_bald_sampled(view.member_probabilities, n, rng).indices]
