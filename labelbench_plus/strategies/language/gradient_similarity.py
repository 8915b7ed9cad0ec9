"""What reading all answers would buy, where some answers say what is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("gradient_similarity")
@dataclass(frozen=True)
class GradientSimilarity(PoolStrategy):
    """Query the prompts whose answers would pull the base as the seed demonstrations do. A bound, not a method.

    A reading of LESS (M. Xia et al., 2024, arXiv 2402.04333): the cosine of an example's gradient with the mean of the
    targets' gradients, each of length one, of low-rank changes and randomly projected. What differs: gradients are
    those of the untouched base, as nothing is bought yet that it could be warmed up on, and so of one checkpoint; they
    are plain, not Adam's; the targets are the seed demonstrations, as one task. It reads
    answers that were not bought: to know them, it would have to buy the whole pool. Where items have prices, the
    similarity per unit of budget counts, from zero for the opposite direction.

    It needs seed demonstrations (`demonstrations` of a prompt source).
    """

    title = "Gradient similarity (reads all answers)"
    needs = frozenset({"answer_gradients", "target_gradients"})
    knows_truth = True

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.uncertainty import top_scores

        unit = torch.nn.functional.normalize(view.answer_gradients.double(), dim=1)
        wanted = torch.nn.functional.normalize(view.target_gradients.double(), dim=1).mean(dim=0)
        cosine = unit @ torch.nn.functional.normalize(wanted, dim=0)
        return view.candidates[top_scores((1 + cosine) / view.prices, n)]
