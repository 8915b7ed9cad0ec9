"""BAIT with a binary likelihood."""

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


@strategies.register("bait_binary")
@dataclass(frozen=True)
class BaitBinary(PoolStrategy):
    """BAIT under a binary likelihood: whether the predicted class is right (Huseljic et al., 2024).

    Needs no more than (embedding width)² memory whatever the number of classes.

    Parameters
    ----------
    ridge: weight of the identity in the information of what is labelled.
    """

    title = "BAIT, binary likelihood"
    reference = Reference(("Huseljic", "others"), 2024, arxiv="2404.08981")
    needs = frozenset({"probabilities", "embeddings"})

    ridge: Annotated[float, Gt(0)] = 1.0

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.bait import bait_binary

        return view.candidates[
            bait_binary(
                view.probabilities,
                view.embeddings,
                n,
                labelled_probabilities=view.labelled_probabilities,
                labelled_embeddings=view.labelled_embeddings,
                ridge=self.ridge,
            )
        ]
