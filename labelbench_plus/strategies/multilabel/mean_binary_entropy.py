"""Entropy sampling for items with several labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("mean_binary_entropy")
@dataclass(frozen=True)
class MeanBinaryEntropy(PoolStrategy):
    """Query where the entropy of a label, averaged over labels, is largest: `entropy` for multi-label problems.

    It is the entropy of the label set under a model that takes labels as independent given the item. Where items have
    prices, the uncertainty per unit of budget counts.
    """

    title = "Mean binary entropy"
    needs = frozenset({"label_probabilities"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.label_uncertainty import mean_binary_entropy
        from labelbench_plus.algorithms.uncertainty import top_scores

        return view.candidates[top_scores(mean_binary_entropy(view.label_probabilities) / view.prices, n)]
