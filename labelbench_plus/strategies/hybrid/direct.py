"""DIRECT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("direct")
@dataclass(frozen=True)
class Direct(PoolStrategy):
    """Query around the best one-vs-rest thresholds, estimated under label noise (Nuggehalli et al., 2023).

    The authors read each answer before the next pick. Here a batch is bought at once, so within a batch a pick counts
    as answered by the model's prediction; only labels bought earlier are read.
    """

    title = "DIRECT"
    reference = Reference(("Nuggehalli", "Zhang", "Jain", "Nowak"), 2023, arxiv="2312.09196")
    needs = frozenset({"probabilities", "labels"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.direct import direct

        known = view.labels >= 0  # an outlier is on no class's side
        labelled, labels = view.labelled_probabilities[known], view.labels[known]
        return view.candidates[direct(view.probabilities, labelled, labels, n, rng)]
