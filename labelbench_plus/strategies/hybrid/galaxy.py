"""GALAXY."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("galaxy")
@dataclass(frozen=True)
class Galaxy(PoolStrategy):
    """Query around the class boundaries of one-vs-rest margin orders, found by bisection (Zhang et al., 2022).

    The authors read each answer before the next pick. Here a batch is bought at once, so within a batch a pick counts
    as answered by the model's prediction; only labels bought earlier are read.
    """

    title = "GALAXY"
    reference = Reference(("Zhang", "Katz-Samuels", "Nowak"), 2022, arxiv="2202.01402")
    needs = frozenset({"probabilities", "labels"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.galaxy import galaxy

        known = view.labels >= 0  # an outlier is on no class's side
        labelled, labels = view.labelled_probabilities[known], view.labels[known]
        return view.candidates[galaxy(view.probabilities, labelled, labels, n, rng)]
