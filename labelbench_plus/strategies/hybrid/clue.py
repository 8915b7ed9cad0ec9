"""CLUE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("clue")
@dataclass(frozen=True)
class Clue(PoolStrategy):
    """Cluster the embeddings, weighted by entropy, and query the item nearest to each centre.

    Clustering Uncertainty-weighted Embeddings (Prabhu et al., 2021, equation 4).
    """

    title = "CLUE"
    reference = Reference(("Prabhu", "others"), 2021, arxiv="2010.08666")
    needs = frozenset({"probabilities", "embeddings"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.clue import clue

        return view.candidates[clue(view.probabilities, view.embeddings, n, rng)]
