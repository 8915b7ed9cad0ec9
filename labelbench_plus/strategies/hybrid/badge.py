"""BADGE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("badge")
@dataclass(frozen=True)
class Badge(PoolStrategy):
    """D² sampling of the last layer's gradients at the predicted labels (Ash et al., 2020, algorithm 1)."""

    title = "BADGE"
    reference = Reference(
        ("Ash", "Zhang", "Krishnamurthy", "Langford", "Agarwal"),
        2020,
        "Deep batch active learning by diverse, uncertain gradient lower bounds",
    )
    needs = frozenset({"probabilities", "embeddings"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.badge import badge

        return view.candidates[badge(view.probabilities, view.embeddings, n, rng)]
