"""BAIT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt
from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("bait")
@dataclass(frozen=True)
class Bait(PoolStrategy):
    """Query what lowers the expected error of the pool's Fisher information most (Ash et al., 2021, algorithm 1).

    Exact, as long as (embedding width × classes)² matrices fit into memory; if they do not, the error points to
    `bait_binary`.

    Parameters
    ----------
    ridge: weight of the identity in the information of what is labelled.
    """

    title = "BAIT"
    reference = Reference(("Ash", "others"), 2021, arxiv="2106.09675")
    needs = frozenset({"probabilities", "embeddings"})

    ridge: Annotated[float, Gt(0)] = 1.0

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.bait import bait

        return view.candidates[
            bait(
                view.probabilities,
                view.embeddings,
                n,
                labelled_probabilities=view.labelled_probabilities,
                labelled_embeddings=view.labelled_embeddings,
                ridge=self.ridge,
            )
        ]
