"""Uniform random sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("random")
@dataclass(frozen=True)
class Random(PoolStrategy):
    """Query items uniformly at random, without replacement: what every other strategy is measured against."""

    title = "Random"

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.blocks.checks import check_count

        chosen = rng.permutation(len(view.candidates))[: check_count(n, len(view.candidates))]
        return view.candidates[torch.as_tensor(chosen, device=view.candidates.device)]
