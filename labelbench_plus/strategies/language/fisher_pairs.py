"""A D-optimal design of comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt
from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("fisher_pairs")
@dataclass(frozen=True)
class FisherPairs(PoolStrategy):
    """Maximise the log det of the Fisher information of Bradley and Terry's model at the current rewards, greedily.

    A pair's share of it is σ(Δ) σ(-Δ) d dᵀ with d the difference of its responses' features, of what was bought too.
    Not in the paper that proxy rewards come from.

    Parameters
    ----------
    ridge: weight of the identity, in units of the average variance of the weighted differences.
    """

    title = "Fisher information of pairs"
    needs = frozenset({"embeddings", "pairs", "predictions"})

    ridge: Annotated[float, Gt(0)] = 1.0

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.blocks.checks import check_finite
        from labelbench_plus.algorithms.design.greedy_design import d_optimal

        def weighted(differences: Tensor, margins: Tensor) -> Tensor:
            check_finite(margins, "predictions")
            share = torch.sigmoid(margins) * torch.sigmoid(-margins)
            return differences.double() * share.double().sqrt()[:, None]

        points = weighted(view.embeddings, view.predictions)
        known = weighted(view.labelled_embeddings, view.labelled_predictions)
        scale = points.square().mean().sqrt().clamp(min=1e-12)
        return view.candidates[d_optimal(points / scale, n, ridge=self.ridge, labelled=known / scale)]
