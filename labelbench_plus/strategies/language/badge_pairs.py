"""BADGE on comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("badge_pairs")
@dataclass(frozen=True)
class BadgePairs(PoolStrategy):
    """D² sampling of the gradients of Bradley and Terry's loss at the predicted winner: σ(-Δ) (h_w - h_l).

    Not in the paper that proxy rewards come from: BADGE (Ash et al., 2020, algorithm 1) of two classes, which are the
    responses of a pair, on the difference of their features.
    """

    title = "BADGE of pairs"
    needs = frozenset({"embeddings", "pairs", "predictions"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.badge import badge
        from labelbench_plus.algorithms.blocks.checks import check_finite

        margins = check_finite(view.predictions.double(), "predictions")
        probabilities = torch.stack([torch.sigmoid(-margins), torch.sigmoid(margins)], dim=1)
        return view.candidates[badge(probabilities, view.embeddings, n, rng)]
