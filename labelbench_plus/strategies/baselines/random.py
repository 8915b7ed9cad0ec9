"""Uniform random sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.plugins import Since
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("random")
@dataclass(frozen=True)
class Random(PoolStrategy):
    """Query items uniformly at random, without replacement: the baseline of every other strategy.

    Parameters
    ----------
    draw: another number is another draw at the same seed. The distance between two draws shows what chance does; a
        strategy within it has shown nothing.
    """

    title = "Random"

    draw: Annotated[int, Ge(0), Since("0.1")] = 0

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.blocks.checks import check_count

        orders = [rng.permutation(len(view.candidates)) for _ in range(self.draw + 1)]
        chosen = orders[self.draw][: check_count(n, len(view.candidates))]
        return view.candidates[torch.as_tensor(chosen, device=view.candidates.device)]
